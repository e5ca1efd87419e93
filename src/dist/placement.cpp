#include "dist/placement.hpp"

#include <algorithm>
#include <charconv>
#include <functional>
#include <map>

#include "dist/failure.hpp"

namespace ddls::dist {
namespace {

// One node's ranks and GPUs: who has which.
class Assignment {
 public:
  explicit Assignment(const std::vector<RankGpus>& ranks) : ranks_(ranks) {}

  bool give_one_to(size_t rank) {
    for (const std::string& id : ranks_[rank].ids)
      if (owners_.emplace(key(rank, id), rank).second) return true;
    std::map<std::string, bool> tried;
    return move_one_for(rank, tried);
  }

  std::optional<int> of(size_t rank) const {
    const std::vector<std::string>& ids = ranks_[rank].ids;
    for (size_t i = 0; i < ids.size(); ++i) {
      const auto owner = owners_.find(key(rank, ids[i]));
      if (owner != owners_.end() && owner->second == rank) return static_cast<int>(i);
    }
    return std::nullopt;
  }

 private:
  std::string key(size_t rank, const std::string& id) const { return fmt::format("{} {}", ranks_[rank].node, id); }

  // An augmenting path: an owner that sees another free GPU moves there.
  bool move_one_for(size_t rank, std::map<std::string, bool>& tried) {
    for (const std::string& id : ranks_[rank].ids) {
      const std::string gpu = key(rank, id);
      if (!tried.emplace(gpu, true).second) continue;
      const auto owner = owners_.find(gpu);
      if (owner != owners_.end() && !move_one_for(owner->second, tried)) continue;
      owners_[gpu] = rank;
      return true;
    }
    return false;
  }

  const std::vector<RankGpus>& ranks_;
  std::map<std::string, size_t> owners_;
};

std::string because(const RankGpus& rank) { return rank.problem.empty() ? std::string() : ": " + rank.problem; }

}  // namespace

DeviceKind choose_kind(const std::string& wanted, const std::vector<RankGpus>& ranks) {
  if (wanted == "cpu") return {};
  const auto sees_none = [](const RankGpus& rank) { return rank.ids.empty(); };
  const auto without = std::find_if(ranks.begin(), ranks.end(), sees_none);
  if (without == ranks.end()) return {true, ""};
  const auto number = [&](auto at) { return at - ranks.begin(); };
  if (wanted == "cuda")
    all_fail(Exit::config, "device cuda: rank {} on {} has no CUDA device{}; use --device cpu or auto", number(without),
             without->host, because(*without));
  const auto with = std::find_if_not(ranks.begin(), ranks.end(), sees_none);
  if (with != ranks.end())
    all_fail(Exit::config,
             "rank {} on {} has no CUDA device{}, but rank {} on {} has: all ranks use one kind of device. Mend that "
             "node or leave it out, start fewer ranks, or take --device cpu",
             number(without), without->host, because(*without), number(with), with->host);
  const auto odd = std::find_if(ranks.begin(), ranks.end(), [](const RankGpus& rank) { return rank.unexpected; });
  if (odd == ranks.end()) return {};
  return {false, fmt::format("rank {} on {} has an NVIDIA driver but no GPU that can be used{}. All ranks compute on "
                             "CPUs (--device cpu is the same without this warning, --device cuda refuses)",
                             number(odd), odd->host, because(*odd))};
}

std::vector<int> choose_gpus(const std::vector<RankGpus>& ranks) {
  Assignment assignment(ranks);
  std::vector<int> chosen;
  for (size_t rank = 0; rank < ranks.size(); ++rank) {
    const RankGpus& one = ranks[rank];
    if (assignment.give_one_to(rank) || one.ids.size() == 1) continue;
    const auto before = std::count_if(ranks.begin(), ranks.begin() + static_cast<ptrdiff_t>(rank),
                                      [&](const RankGpus& other) { return other.node == one.node; });
    all_fail(Exit::config,
             "rank {} is number {} on {}, which shows it {} GPUs, all taken by lower ranks: start at most one rank for "
             "each GPU there",
             rank, before + 1, one.host, one.ids.size());
  }
  for (size_t rank = 0; rank < ranks.size(); ++rank) chosen.push_back(assignment.of(rank).value_or(0));
  return chosen;
}

// CUDA reads numbers and ids up to the first entry that is neither.
bool hides_gpus(const char* visible_devices) {
  if (!visible_devices) return false;
  std::string_view first(visible_devices);
  first = first.substr(0, first.find(','));
  while (first.starts_with(' ')) first.remove_prefix(1);
  const bool number = !first.empty() && first[0] >= '0' && first[0] <= '9';
  return !number && !first.starts_with("GPU-") && !first.starts_with("MIG-");
}

int threads_of(size_t rank, const std::vector<RankCpus>& ranks) {
  const RankCpus& mine = ranks[rank];
  double share = 0;
  for (size_t core = 0; core < mine.mask.size(); ++core) {
    if (!mine.mask[core]) continue;
    const auto sharing = std::count_if(
        ranks.begin(), ranks.end(), [&](const RankCpus& other) { return other.node == mine.node && other.mask[core]; });
    share += 1.0 / static_cast<double>(sharing);
  }
  constexpr double rounding = 1e-6;
  return std::max(1, static_cast<int>(share + rounding));
}

CpuMask parse_cpu_list(std::string_view text) {
  CpuMask mask;
  while (text.ends_with('\n') || text.ends_with(' ')) text.remove_suffix(1);
  const char* at = text.data();
  const char* const end = at + text.size();
  const auto number = [&](size_t& value) {
    const auto [next, error] = std::from_chars(at, end, value);
    const bool good = error == std::errc() && value < mask.size();
    at = next;
    return good;
  };
  while (at != end) {
    size_t first = 0, last = 0;
    if (!number(first)) return {};
    last = first;
    if (at != end && *at == '-' && (++at, !number(last) || last < first)) return {};
    for (size_t core = first; core <= last; ++core) mask.set(core);
    if (at == end) break;
    if (*at++ != ',' || at == end) return {};
  }
  return mask;
}

std::optional<CpuMask> cpus_beside(const CpuMask& mine, size_t online, const CpuMask& local) {
  const CpuMask both = mine & local;
  if (mine.count() != online || both.none() || both == mine) return std::nullopt;
  return both;
}

}  // namespace ddls::dist
