#include "dist/topology.hpp"

#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <sched.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <optional>

#include "base/error.hpp"
#include "base/host.hpp"
#include "base/log.hpp"
#include "device/cuda_bridge.hpp"
#include "dist/check.hpp"
#include "dist/failure.hpp"

namespace ddls {
namespace {

// What every rank tells the others: plain bytes of fixed size, so that one MPI_Allgather does.
struct Card {
  int node = 0;  // the least rank there: names of hosts may be the same, as in containers
  int local_rank = 0, visible = 0, device = -1, threads = 1;
  char host[80] = "", problem[120] = "", name[80] = "", bus[32] = "";
};

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

// Every rank decides from the same cards, so that all use the same kind of device or all throw the same error.
bool use_cuda(const std::vector<Card>& cards, const std::string& wanted) {
  if (wanted == "cpu") return false;
  const auto without = std::find_if(cards.begin(), cards.end(), [](const Card& card) { return card.visible == 0; });
  const bool some = std::any_of(cards.begin(), cards.end(), [](const Card& card) { return card.visible > 0; });
  if (without == cards.end()) return true;
  const auto rank = without - cards.begin();
  if (wanted == "cuda") {
    throw CollectiveError(
        Exit::config, fmt::format("device cuda: rank {} on {} has no CUDA device{}{}; use --device cpu or auto", rank,
                                  without->host, *without->problem ? ": " : "", without->problem));
  }
  if (some && rank != 0) log::debug("rank {} has no CUDA device", rank);
  return false;
}

void check_enough_devices(const std::vector<Card>& cards) {
  for (size_t rank = 0; rank < cards.size(); ++rank) {
    const Card& card = cards[rank];
    if (card.visible > 1 && card.local_rank >= card.visible) {
      throw CollectiveError(Exit::config,
                            fmt::format("rank {} is number {} on {}, which shows {} GPUs: start at most {} ranks there",
                                        rank, card.local_rank + 1, card.host, card.visible, card.visible));
    }
  }
}

struct SharedGpu {
  size_t first = 0, second = 0;
};

std::optional<SharedGpu> shared_gpu(const std::vector<Card>& cards) {
  std::map<std::string, size_t> seen;
  for (size_t rank = 0; rank < cards.size(); ++rank) {
    const auto [at, fresh] = seen.emplace(fmt::format("{} {}", cards[rank].node, cards[rank].bus), rank);
    if (!fresh) return SharedGpu{at->second, rank};
  }
  return std::nullopt;
}

Transport cuda_transport(const std::vector<Card>& cards, bool speaker) {
  if (!cuda::built_with_toolkit()) {
    if (speaker && cards.size() > 1) log::warning("built without NCCL: GPUs exchange data through host memory");
    return Transport::staged;
  }
  if (const auto shared = shared_gpu(cards)) {
    if (speaker) {
      log::warning("ranks {} and {} share one GPU ({} on {}), which NCCL refuses: data goes through host memory",
                   shared->first, shared->second, cards[shared->first].bus, cards[shared->first].host);
    }
    return Transport::staged;
  }
  return Transport::nccl;
}

int cores_of_this_process() {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof set, &set) != 0) return 1;
  return CPU_COUNT(&set);
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
  put(card.host, sizeof card.host, host_name());
  if (wanted != "cpu") {
    const cuda::Devices devices = cuda::devices();
    card.visible = devices.count;
    put(card.problem, sizeof card.problem, devices.problem);
  }
  std::vector<Card> cards = exchange(card, comm, topology.ranks);
  const bool on_cuda = use_cuda(cards, wanted);
  if (on_cuda) {
    check_enough_devices(cards);
    card.device = card.visible == 1 ? 0 : topology.local_rank;
    cuda::set_device(card.device);
    // float32 means float32, and the same work gives the same bits: Torch's defaults for convolutions are TF32 and any algorithm.
    at::globalContext().setAllowTF32CuDNN(false);
    at::globalContext().setAllowTF32CuBLAS(false);
    at::globalContext().setDeterministicCuDNN(true);
    put(card.name, sizeof card.name, cuda::device_name(card.device));
    put(card.bus, sizeof card.bus, cuda::device_pci_bus_id(card.device));
    topology.device = c10::Device(c10::DeviceType::CUDA, static_cast<c10::DeviceIndex>(card.device));
  }
  // On the CPU the thread count is part of what a result depends on; on a GPU threads only feed it.
  topology.threads = threads > 0 ? threads : on_cuda ? std::max(1, cores_of_this_process() / topology.local_ranks) : 1;
  at::set_num_threads(
      topology.threads);  // never left to Torch, which takes MKL's word: 1 under mpirun, all cores without
  card.threads = topology.threads;
  cards = exchange(card, comm, topology.ranks);
  if (on_cuda) topology.transport = cuda_transport(cards, topology.rank == 0);

  for (int rank = 0; rank < topology.ranks; ++rank) {
    const Card& other = cards[static_cast<size_t>(rank)];
    const std::string device =
        on_cuda ? fmt::format("cuda:{} {} {}", other.device, other.name, other.bus) : std::string("cpu");
    topology.places.push_back({rank, other.local_rank, other.host, device, other.threads});
  }
  return topology;
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

}  // namespace ddls
