#pragma once
// Which device and which cores a rank takes, decided by every rank alike from what all of them see. Nothing here asks
// the machine or communicates; topology.hpp does.
#include <bitset>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace ddls::dist {

struct RankGpus {
  int node = 0;  // ranks of one machine have the same
  std::string host;
  std::vector<std::string> ids;  // PCI ids of the GPUs it sees, in the order of their numbers
  std::string problem;           // where it sees none: why, in the driver's words
  bool unexpected = false;       // ... although there is a driver, and nobody hid its GPUs
};

struct DeviceKind {
  bool gpu = false;
  std::string warning;  // for one voice; empty: nothing to say
};

// `wanted` is auto, cpu or cuda. GPUs where all ranks see one. Throws CollectiveError(config) where only some do, and
// where cuda is wanted and a rank sees none. CPUs where auto finds no GPU, with a warning where one was to be expected.
DeviceKind choose_kind(const std::string& wanted, const std::vector<RankGpus>& ranks);

// The number that each rank gives its GPU; every rank sees one at least. Different GPUs on a node as far as there are:
// the first that no lower rank has, which may move such a rank to another that it sees. A rank without a free one
// shares the only one that it sees, or throws CollectiveError(config) where it sees several.
std::vector<int> choose_gpus(const std::vector<RankGpus>& ranks);

// Does this value of CUDA_VISIBLE_DEVICES (null: not set) hide all GPUs?
bool hides_gpus(const char* visible_devices);

using CpuMask = std::bitset<1024>;

struct RankCpus {
  int node = 0;
  CpuMask mask;  // cores that the rank may run on
};

// How many threads rank `rank` may have so that no core has two: its share of the cores in its mask, some of which
// other ranks of its node may run on too. At least one.
int threads_of(size_t rank, const std::vector<RankCpus>& ranks);

// "0-3,8,10-11", as Linux writes it; empty where the text is something else.
CpuMask parse_cpu_list(std::string_view text);

// The cores beside a device (`local`) that a rank may run on, where the launcher left it all `online` cores of its
// node; nothing where it chose, or where all are equally near.
std::optional<CpuMask> cpus_beside(const CpuMask& mine, size_t online, const CpuMask& local);

}  // namespace ddls::dist
