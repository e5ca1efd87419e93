#include "dist/step_times.hpp"

#include <ATen/Functions.h>
#include <fmt/format.h>

#include <algorithm>

namespace ddls::dist {
void StepClock::begin() {
  since_ = {};
  waited_ = seconds_in_collectives();
}

void StepClock::end(int64_t steps) {
  steps_ += steps;
  seconds_ += std::max(0.0, since_.seconds() - (seconds_in_collectives() - waited_));
}

StepTimes step_times(const std::vector<double>& seconds, const std::vector<std::string>& hosts) {
  StepTimes times;
  std::vector<double> worked;
  for (size_t i = 0; i < seconds.size(); ++i) {
    times.ranks.push_back({i < hosts.size() ? hosts[i] : std::string(), seconds[i]});
    if (seconds[i] > 0) worked.push_back(seconds[i]);
  }
  if (worked.empty()) return times;
  std::sort(worked.begin(), worked.end());
  times.median = worked[(worked.size() - 1) / 2];
  for (StepTimes::Rank& rank : times.ranks) rank.slow = rank.seconds > slow_factor * times.median;
  return times;
}

StepTimes gather_step_times(Communicator& comm, const StepClock& clock) {
  const double mine = clock.steps() > 0 ? clock.seconds() / static_cast<double>(clock.steps()) : 0.0;
  const auto all = comm.gather_rows(at::full({1}, mine, at::kDouble));
  if (!all) return {};
  std::vector<std::string> hosts;
  for (const RankPlace& place : comm.topology().places) hosts.push_back(place.host);
  return step_times({all->data_ptr<double>(), all->data_ptr<double>() + all->numel()}, hosts);
}

Json record_of(const StepTimes& times) {
  Json seconds = Json::array(), hosts = Json::array(), slow = Json::array();
  for (size_t i = 0; i < times.ranks.size(); ++i) {
    const StepTimes::Rank& rank = times.ranks[i];
    seconds.push_back(rank.seconds > 0 ? Json(rank.seconds) : Json(nullptr));
    hosts.push_back(rank.host);
    if (rank.slow) slow.push_back(i);
  }
  return {{"seconds_per_step", seconds},
          {"hosts", hosts},
          {"median", times.median > 0 ? Json(times.median) : Json(nullptr)},
          {"slow", slow}};
}

std::vector<std::string> slow_ranks(const StepTimes& times) {
  std::vector<std::string> lines;
  for (size_t i = 0; i < times.ranks.size(); ++i) {
    const StepTimes::Rank& rank = times.ranks[i];
    if (rank.slow)
      lines.push_back(fmt::format("rank {} on {} takes {:.3g} s for a step, {:.2f} times the median", i, rank.host,
                                  rank.seconds, rank.seconds / times.median));
  }
  return lines;
}

}  // namespace ddls::dist
