#include "train/step_record.hpp"

#include <fmt/format.h>

#include "base/files.hpp"
#include "base/json_text.hpp"
#include "base/log.hpp"

namespace ddls::train {

void note_step_times(const std::string& phase, const dist::StepClock& clock, bool ended, const RunLog& log,
                     dist::Communicator& comm) {
  const dist::StepTimes times = dist::gather_step_times(comm, clock);
  comm.on_root([&] {
    if (times.median == 0) return;
    const fs::path file = log.folder() / "step_times.json";
    Json all = fs::exists(file) ? Json::parse(read_file(file), nullptr, false) : Json::object();
    if (!all.is_object()) all = Json::object();
    all[phase] = dist::record_of(times);
    write_file(file, json_text(all, 2) + "\n");
    if (ended && times.ranks.size() > 1) {
      std::string text;
      for (const auto& rank : times.ranks)
        text +=
            fmt::format("{}{}", text.empty() ? "" : ", ", rank.seconds > 0 ? fmt::format("{:.3g}", rank.seconds) : "–");
      log::info("{}: seconds of a step, by rank, without waits: {}", phase, text);
    }
    for (const std::string& line : dist::slow_ranks(times))
      log::warning("{}: {}{}", phase, line, ended ? "" : ", so far; the others wait for it");
  });
}

}  // namespace ddls::train
