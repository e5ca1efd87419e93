#include "dist/communicator.hpp"

#include <ATen/Functions.h>
#include <c10/core/GradMode.h>

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "base/error.hpp"
#include "base/files.hpp"
#include "base/log.hpp"
#include "dist/failure.hpp"
#include "dist/mpi_channel.hpp"
#include "dist/nccl_channel.hpp"
#include "dist/watchdog.hpp"

namespace ddls::dist {
namespace {

const char* name_of(at::ScalarType type) {
  switch (type) {
    case at::kByte:
      return "uint8";
    case at::kInt:
      return "int32";
    case at::kLong:
      return "int64";
    case at::kFloat:
      return "float32";
    case at::kDouble:
      return "float64";
    case at::kBFloat16:
      return "bfloat16";
    default:
      return c10::toString(type);
  }
}

const char* name_of(Reduce op) {
  switch (op) {
    case Reduce::sum:
      return "sum";
    case Reduce::mean:
      return "mean";
    case Reduce::min:
      return "min";
    case Reduce::max:
      return "max";
  }
  return "";
}

Collective call_with(const char* operation, const at::Tensor& tensor) {
  Collective call;
  call.operation = operation;
  call.bytes = static_cast<int64_t>(tensor.nbytes());
  call.type = name_of(tensor.scalar_type());
  call.elements = tensor.numel();
  return call;
}

}  // namespace

// A rank that cannot connect tells the others by MPI. They may be inside NCCL, which waits for it however long: where
// they have not come after `patience_s`, the job ends.
class ConnectionDeadline {
 public:
  ConnectionDeadline(Watchdog& dog, double patience_s, Failure failure)
      : thread_([&dog, patience_s, failure = std::move(failure)](const std::stop_token& told) {
          std::mutex mutex;
          std::unique_lock lock(mutex);
          std::condition_variable_any never;
          never.wait_for(lock, told, std::chrono::duration<double>(patience_s), [] { return false; });
          if (told.stop_requested()) return;
          dog.tell_end(failure.message);
          _exit(static_cast<int>(failure.code));  // the launcher ends the other ranks
        }) {}

 private:
  std::jthread thread_;
};

struct Communicator::State {
  State(MPI_Comm comm, const Topology& place, double timeout_s, int64_t chunk_bytes)
      : topology(place),
        mpi(comm, chunk_bytes),
        dog(mpi.rank(), timeout_s, heartbeat(comm, place, timeout_s), mpi.ranks()) {}

  static std::unique_ptr<Heartbeat> heartbeat(MPI_Comm comm, const Topology& place, double timeout_s) {
    if (timeout_s <= 0) return nullptr;
    HeartbeatOptions options;
    for (const RankPlace& one : place.places) options.hosts.push_back(one.host);
    options.one_machine = place.local_ranks == place.ranks;
    options.silent_after_s = Watchdog::silent_after_seconds(timeout_s);
    return Heartbeat::open(comm, std::move(options));
  }

  Topology topology;
  MpiChannel mpi;
  Watchdog dog;
  std::optional<DeviceCollectives> nccl;

  // Runs `action` under the watchdog and adds to a library's error who was doing what.
  template <typename Action>
  auto guarded(const Collective& call, const Action& action) {
    const Watchdog::Guard guard(dog, call);
    return explained(call, dog.count(), action);
  }

  template <typename Action>
  auto explained(const Collective& call, uint64_t number, const Action& action) {
    try {
      return action();
    } catch (const CollectiveError&) {
      throw;
    } catch (const Error& error) {
      const std::string what = fmt::format("rank {} of {}, {} #{} of {}: {}", mpi.rank(), mpi.ranks(), call.operation,
                                           number, bytes_text(call.bytes), error.what());
      fail(error.code(), "{}{}", what, dog.write_all_calls(what));
    }
  }

  // What NCCL has taken may fail until it is waited for.
  Pending explained_later(const Collective& call, Pending pending) {
    return Pending(
        [this, call, number = dog.count(), pending]() mutable { explained(call, number, [&] { pending.wait(); }); });
  }

  void broadcast_failure(Failure& failure, int root) {
    int64_t header[] = {static_cast<int64_t>(failure.code), static_cast<int64_t>(failure.message.size())};
    mpi.broadcast(header, sizeof header, root);
    failure.code = static_cast<Exit>(header[0]);
    failure.message.resize(static_cast<size_t>(header[1]));
    mpi.broadcast(failure.message.data(), header[1], root);
  }
};

Communicator::Communicator(MPI_Comm comm, const Topology& topology, double timeout_s, int64_t chunk_bytes)
    : state_(std::make_unique<State>(comm, topology, timeout_s, chunk_bytes)) {
  if (topology.transport != Transport::nccl || ranks() == 1) return;
  const std::string id = on_root(nccl_unique_id);
  std::optional<ConnectionDeadline> deadline;  // holds while together() waits for the others
  together([&] {
    const Watchdog::Guard guard(state_->dog, "connect_nccl", 0);  // together() guards its own wait alone
    try {
      state_->nccl = connect_nccl(id, rank(), ranks(), topology.device.index(), timeout_s,
                                  {.missing = [dog = &state_->dog](uint64_t number) { return dog->missing(number); },
                                   .ended = [dog = &state_->dog](uint64_t number) { dog->ended(number); },
                                   .tell_end = [dog = &state_->dog](const std::string& why) { dog->tell_end(why); }});
    } catch (const Error& error) {
      log::warning("{}", error.what());
      constexpr double long_enough_s = 5;
      deadline.emplace(state_->dog, std::min(timeout_s > 0 ? timeout_s : long_enough_s, long_enough_s),
                       current_failure());
      throw;
    }
  });
}

Communicator::~Communicator() = default;
Communicator::Communicator(Communicator&&) noexcept = default;
Communicator& Communicator::operator=(Communicator&&) noexcept = default;

int Communicator::rank() const { return state_->mpi.rank(); }
int Communicator::ranks() const { return state_->mpi.ranks(); }
const Topology& Communicator::topology() const { return state_->topology; }

void Communicator::all_reduce(at::Tensor& tensor, Reduce op) { all_reduce_async(tensor, op).wait(); }

Pending Communicator::all_reduce_async(at::Tensor tensor, Reduce op) {
  ensure(tensor.defined() && tensor.is_contiguous(), "all_reduce needs a contiguous tensor");
  ensure(op != Reduce::mean || tensor.is_floating_point(), "all_reduce: the mean of {} is not defined",
         c10::toString(tensor.scalar_type()));
  if (ranks() == 1 && !tensor.is_cpu()) return Pending();  // sum, mean, least and greatest of one are it
  const c10::NoGradGuard no_grad;
  Collective call = call_with("all_reduce", tensor);
  call.detail = name_of(op);
  call.asynchronous = !tensor.is_cpu() && state_->nccl;
  return state_->guarded(call, [&]() -> Pending {
    if (!tensor.is_cpu() && state_->nccl)
      return state_->explained_later(call, state_->nccl->all_reduce(tensor, op, state_->dog.count()));
    if (!tensor.is_cpu()) {
      at::Tensor host = tensor.to(at::kCPU);
      if (host.scalar_type() == at::kBFloat16) host = host.to(at::kFloat);  // MPI has no such type
      state_->mpi.all_reduce(host, op);
      tensor.copy_(host);
    } else {
      state_->mpi.all_reduce(tensor, op);
    }
    return Pending();
  });
}

void Communicator::broadcast(at::Tensor& tensor, int root) {
  ensure(tensor.defined() && tensor.is_contiguous(), "broadcast needs a contiguous tensor");
  ensure(root >= 0 && root < ranks(), "broadcast from rank {} of {}", root, ranks());
  if (ranks() == 1) return;
  const c10::NoGradGuard no_grad;
  Collective call = call_with("broadcast", tensor);
  call.root = root;
  call.asynchronous = !tensor.is_cpu() && state_->nccl;
  state_->guarded(call, [&, bytes = call.bytes] {
    if (!tensor.is_cpu() && state_->nccl) {
      state_->nccl->broadcast(tensor, root, state_->dog.count()).wait();
    } else if (!tensor.is_cpu()) {
      const at::Tensor host = tensor.to(at::kCPU);
      state_->mpi.broadcast(host.data_ptr(), bytes, root);
      if (rank() != root) tensor.copy_(host);
    } else {
      state_->mpi.broadcast(tensor.data_ptr(), bytes, root);
    }
  });
}

std::optional<at::Tensor> Communicator::gather_rows(const at::Tensor& rows, int root) {
  ensure(rows.defined() && rows.dim() >= 1, "gather_rows needs a tensor with rows");
  ensure(root >= 0 && root < ranks(), "gather_rows to rank {} of {}", root, ranks());
  const c10::NoGradGuard no_grad;
  const at::Tensor mine = rows.detach().to(at::kCPU).contiguous();
  Collective call = call_with("gather_rows", mine);
  call.root = root;
  call.same_size = false;
  return state_->guarded(call, [&, my_bytes = call.bytes]() -> std::optional<at::Tensor> {
    const std::string layout =
        fmt::format("{} {}", c10::toString(mine.scalar_type()), fmt::join(mine.sizes().slice(1), "x"));
    const std::vector<uint64_t> counts = state_->mpi.all_gather({static_cast<uint64_t>(mine.size(0)), hash64(layout)});
    int64_t total = 0;
    for (int other = 0; other < ranks(); ++other) {
      total += static_cast<int64_t>(counts[2 * static_cast<size_t>(other)]);
      if (counts[2 * static_cast<size_t>(other) + 1] == counts[1]) continue;
      throw CollectiveError(Exit::internal,
                            fmt::format("gather_rows: rank {} has rows of another type or size than rank 0", other));
    }
    if (rank() != root) {
      state_->mpi.send(mine.data_ptr(), my_bytes, root);
      return std::nullopt;
    }
    std::vector<int64_t> sizes = mine.sizes().vec();
    sizes[0] = total;
    at::Tensor all = at::empty(sizes, mine.options());
    const int64_t row_bytes = total == 0 ? 0 : static_cast<int64_t>(all.nbytes()) / total;
    auto* to = static_cast<char*>(all.data_ptr());
    for (int other = 0; other < ranks(); ++other) {
      const int64_t bytes = static_cast<int64_t>(counts[2 * static_cast<size_t>(other)]) * row_bytes;
      if (other == root) {
        std::copy_n(static_cast<const char*>(mine.data_ptr()), bytes, to);
      } else {
        state_->mpi.receive(to, bytes, other);
      }
      to += bytes;
    }
    return all;
  });
}

bool Communicator::any(bool mine) {
  return state_->guarded({"any", 8}, [&] { return state_->mpi.all_reduce(mine ? 1 : 0, MPI_MAX) != 0; });
}

void Communicator::barrier() {
  state_->guarded({"barrier"}, [&] { state_->mpi.patient_barrier(); });
}

void Communicator::require_same(uint64_t digest, std::string_view what) {
  const auto all = state_->guarded({"require_same", 8}, [&] { return state_->mpi.all_gather({digest}); });
  std::vector<size_t> odd;
  for (size_t other = 1; other < all.size(); ++other) {
    if (all[other] != all[0]) odd.push_back(other);
  }
  if (odd.empty()) return;
  throw CollectiveError(Exit::runtime,
                        fmt::format("{}: rank{} {} differ{} from rank 0", what, odd.size() == 1 ? "" : "s",
                                    fmt::join(odd, ", "), odd.size() == 1 ? "s" : ""));
}

std::string Communicator::bytes_of_root(const std::function<std::string()>& action) {
  std::string bytes;
  std::optional<Failure> failure;
  if (root()) {
    try {
      bytes = action();
    } catch (...) {
      failure = current_failure();
    }
  }
  int64_t header[] = {failure ? 1 : 0, static_cast<int64_t>(bytes.size())};
  {
    const Watchdog::Guard guard(state_->dog, "on_root", 16, Watchdog::Wait::patient);
    state_->mpi.patient_broadcast(header, 2, 0);
  }
  if (header[0] != 0) {
    Failure told = failure.value_or(Failure{});
    state_->guarded({"on_root", 16}, [&] { state_->broadcast_failure(told, 0); });
    throw CollectiveError(told.code, told.message);
  }
  bytes.resize(static_cast<size_t>(header[1]));
  state_->guarded({"on_root", header[1]}, [&] { state_->mpi.broadcast(bytes.data(), header[1], 0); });
  return bytes;
}

void Communicator::all_or_none(const std::function<void()>& action) {
  Failure failure;
  bool failed = false;
  try {
    action();
  } catch (...) {
    failure = current_failure();
    failed = true;
  }
  const int first = [&] {
    const Watchdog::Guard guard(state_->dog, "together", 8, Watchdog::Wait::patient);
    return static_cast<int>(state_->mpi.patient_minimum(failed ? rank() : ranks()));
  }();
  if (first == ranks()) return;
  state_->guarded({"together", 16}, [&] { state_->broadcast_failure(failure, first); });
  throw CollectiveError(failure.code, failure.message);
}

}  // namespace ddls::dist
