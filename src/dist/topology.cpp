#include "dist/topology.hpp"

#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <map>
#include <optional>
#include <set>

#include "base/error.hpp"
#include "base/files.hpp"
#include "base/host.hpp"
#include "base/log.hpp"
#include "device/cuda_bridge.hpp"
#include "device/device_of.hpp"
#include "dist/check.hpp"
#include "dist/failure.hpp"
#include "dist/placement.hpp"

namespace ddls::dist {
namespace {

// What every rank tells the others: plain bytes of fixed size, so that one MPI_Allgather does.
struct Card {
  static constexpr int most_gpus = 32;
  int node = 0;  // the least rank there: names of hosts may be the same, as in containers
  int local_rank = 0, visible = 0, device = -1;
  bool unexpected = false;
  uint64_t nccl_settings = 0;
  char host[80] = "", problem[120] = "", name[80] = "", gpus[most_gpus][24] = {};
  CpuMask cpus;

  std::string bus() const { return device < 0 ? "" : gpus[device]; }
};
static_assert(std::is_trivially_copyable_v<Card>);

void put(char* to, size_t size, const std::string& text) {
  const size_t length = std::min(size - 1, text.size());
  std::memcpy(to, text.data(), length);
  to[length] = '\0';
}

std::vector<Card> exchange(const Card& mine, MPI_Comm comm, int ranks) {
  std::vector<Card> cards(static_cast<size_t>(ranks));
  DDLS_MPI(MPI_Allgather(&mine, sizeof mine, MPI_BYTE, cards.data(), sizeof mine, MPI_BYTE, comm));
  return cards;
}

bool driver_is_there() { return fs::exists("/dev/nvidiactl") || fs::exists("/proc/driver/nvidia/version"); }

void look_for_gpus(Card& card) {
  const device::Devices devices = device::devices();
  card.visible = std::min(devices.count, Card::most_gpus);
  card.unexpected =
      devices.count == 0 && !hides_gpus(std::getenv("CUDA_VISIBLE_DEVICES")) && (devices.failed || driver_is_there());
  put(card.problem, sizeof card.problem, devices.problem);
  for (int gpu = 0; gpu < card.visible; ++gpu) {
    const std::string id = device::device_pci_bus_id(gpu);
    put(card.gpus[gpu], sizeof card.gpus[gpu], id.empty() ? fmt::format("number {}", gpu) : id);
  }
}

std::vector<RankGpus> gpus_of(const std::vector<Card>& cards) {
  std::vector<RankGpus> ranks;
  for (const Card& card : cards)
    ranks.push_back({card.node, card.host, {card.gpus, card.gpus + card.visible}, card.problem, card.unexpected});
  return ranks;
}

std::vector<RankCpus> cpus_of(const std::vector<Card>& cards) {
  std::vector<RankCpus> ranks;
  for (const Card& card : cards) ranks.push_back({card.node, card.cpus});
  return ranks;
}

// NCCL_* of this process: ranks that differ in them choose other algorithms and wait for each other for ever.
uint64_t nccl_settings() {
  std::vector<std::string> settings;
  for (char** entry = environ; *entry; ++entry)
    if (std::string_view(*entry).starts_with("NCCL_")) settings.emplace_back(*entry);
  std::sort(settings.begin(), settings.end());
  return hash64(fmt::format("{}", fmt::join(settings, "\n")));
}

void warn_of_other_settings(const std::vector<Card>& cards) {
  for (size_t rank = 1; rank < cards.size(); ++rank) {
    if (cards[rank].nccl_settings == cards[0].nccl_settings) continue;
    log::warning(
        "rank {} on {} has other NCCL_* variables than rank 0 on {}: give mpirun -x NAME for each, as launch/run.sh "
        "and the batch scripts do",
        rank, cards[rank].host, cards[0].host);
    return;
  }
}

CpuMask cores_of_this_process() {
  cpu_set_t set;
  CPU_ZERO(&set);
  CpuMask mask;
  if (sched_getaffinity(0, sizeof set, &set) != 0) return mask;
  for (size_t core = 0; core < mask.size(); ++core) mask[core] = CPU_ISSET(core, &set);
  return mask;
}

// Where the launcher bound to nothing: to the cores of the GPU's own socket, before there are threads that would stay
// behind.
void stay_beside_gpu(const std::string& bus) {
  std::string id = bus;
  std::transform(id.begin(), id.end(), id.begin(), [](unsigned char c) { return std::tolower(c); });
  std::ifstream file(fmt::format("/sys/bus/pci/devices/{}/local_cpulist", id));
  std::string line;
  const auto online = static_cast<size_t>(std::max(0L, sysconf(_SC_NPROCESSORS_ONLN)));
  if (!std::getline(file, line)) return;
  const auto beside = cpus_beside(cores_of_this_process(), online, parse_cpu_list(line));
  if (!beside) return;
  cpu_set_t set;
  CPU_ZERO(&set);
  for (size_t core = 0; core < beside->size(); ++core)
    if ((*beside)[core]) CPU_SET(core, &set);
  if (sched_setaffinity(0, sizeof set, &set) == 0) log::debug("bound to the cores of GPU {}: {}", bus, line);
}

// float32 means float32, and the same work gives the same bits: Torch's defaults for convolutions are TF32 and any
// algorithm, and products in bfloat16 may add their parts in bfloat16.
void set_up_torch() {
  at::globalContext().setAllowTF32CuDNN(false);
  at::globalContext().setAllowTF32CuBLAS(false);
  at::globalContext().setDeterministicCuDNN(true);
  at::globalContext().setAllowBF16ReductionCuBLAS(false);
}

struct SharedGpu {
  size_t first = 0, second = 0;
};

std::optional<SharedGpu> shared_gpu(const std::vector<Card>& cards) {
  std::map<std::string, size_t> seen;
  for (size_t rank = 0; rank < cards.size(); ++rank) {
    const auto [at, fresh] = seen.emplace(fmt::format("{} {}", cards[rank].node, cards[rank].bus()), rank);
    if (!fresh) return SharedGpu{at->second, rank};
  }
  return std::nullopt;
}

Transport gpu_transport(const std::vector<Card>& cards, bool speaker) {
  if (!device::built_with_cuda()) {
    if (speaker && cards.size() > 1) log::warning("built without NCCL: GPUs exchange data through host memory");
    return Transport::staged;
  }
  if (const auto shared = shared_gpu(cards)) {
    if (speaker) {
      log::warning("ranks {} and {} share one GPU ({} on {}), which NCCL refuses: data goes through host memory",
                   shared->first, shared->second, cards[shared->first].bus(), cards[shared->first].host);
    }
    return Transport::staged;
  }
  if (speaker) warn_of_other_settings(cards);
  return Transport::nccl;
}

}  // namespace

const char* name_of(Transport transport) {
  switch (transport) {
    case Transport::mpi:
      return "mpi";
    case Transport::nccl:
      return "nccl";
    case Transport::staged:
      return "staged through host memory";
  }
  return "unknown";
}

Topology find_topology(MPI_Comm comm, const std::string& wanted, int threads) {
  if (wanted != "auto" && wanted != "cpu" && wanted != "cuda") {
    throw CollectiveError(Exit::config, fmt::format("device '{}' is not one of: auto, cpu, cuda", wanted));
  }
  Topology topology;
  DDLS_MPI(MPI_Comm_rank(comm, &topology.rank));
  DDLS_MPI(MPI_Comm_size(comm, &topology.ranks));
  MPI_Comm node = MPI_COMM_NULL;
  DDLS_MPI(MPI_Comm_split_type(comm, MPI_COMM_TYPE_SHARED, topology.rank, MPI_INFO_NULL, &node));
  DDLS_MPI(MPI_Comm_rank(node, &topology.local_rank));
  DDLS_MPI(MPI_Comm_size(node, &topology.local_ranks));
  Card card;
  card.node = topology.rank;
  DDLS_MPI(MPI_Bcast(&card.node, 1, MPI_INT, 0, node));
  DDLS_MPI(MPI_Comm_free(&node));
  card.local_rank = topology.local_rank;
  card.nccl_settings = nccl_settings();
  put(card.host, sizeof card.host, host_name());
  if (wanted != "cpu") look_for_gpus(card);
  std::vector<Card> cards = exchange(card, comm, topology.ranks);
  const DeviceKind kind = choose_kind(wanted, gpus_of(cards));
  if (topology.rank == 0 && !kind.warning.empty()) log::warning("{}", kind.warning);
  if (kind.gpu) {
    card.device = choose_gpus(gpus_of(cards))[static_cast<size_t>(topology.rank)];
    device::set_device(card.device);
    set_up_torch();
    put(card.name, sizeof card.name, device::device_name(card.device));
    stay_beside_gpu(card.bus());
    topology.device = device::device_of(card.device);
  }
  card.cpus = cores_of_this_process();
  cards = exchange(card, comm, topology.ranks);
  if (kind.gpu) topology.transport = gpu_transport(cards, topology.rank == 0);
  const std::vector<RankCpus> cpus = cpus_of(cards);
  for (int rank = 0; rank < topology.ranks; ++rank) {
    const Card& other = cards[static_cast<size_t>(rank)];
    // On the CPU the thread count is part of what a result depends on; on a GPU threads only feed it.
    const int its_threads = threads > 0 ? threads : kind.gpu ? threads_of(static_cast<size_t>(rank), cpus) : 1;
    const std::string device =
        kind.gpu ? fmt::format("{} {} {}", device::device_of(other.device).str(), other.name, other.bus())
                 : std::string("cpu");
    topology.places.push_back({rank, other.local_rank, other.host, device, other.name, its_threads});
  }
  topology.threads = topology.places[static_cast<size_t>(topology.rank)].threads;
  at::set_num_threads(
      topology.threads);  // never left to Torch, which takes MKL's word: 1 under mpirun, all cores without
  return topology;
}

std::string Topology::gpu_models() const {
  std::set<std::string> models;
  for (const RankPlace& place : places)
    if (!place.gpu.empty()) models.insert(place.gpu);
  return fmt::format("{}", fmt::join(models, ", "));
}

std::string Topology::table() const {
  size_t width = 4;
  for (const RankPlace& place : places) width = std::max(width, place.host.size());
  std::string text =
      fmt::format("{} rank{}, transport {}\n{:>5} {:>6} {:>8}  {:<{}}  {}\n", ranks, ranks == 1 ? "" : "s",
                  name_of(transport), "rank", "local", "threads", "host", width, "device");
  for (const RankPlace& place : places) {
    text += fmt::format("{:>5} {:>6} {:>8}  {:<{}}  {}\n", place.rank, place.local_rank, place.threads, place.host,
                        width, place.device);
  }
  return text;
}

}  // namespace ddls::dist
