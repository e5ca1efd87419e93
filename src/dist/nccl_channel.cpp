#include "dist/nccl_channel.hpp"

#include <c10/core/DeviceGuard.h>
#include <cuda_runtime_api.h>
#include <nccl.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstring>
#include <deque>
#include <exception>
#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>

#include "base/error.hpp"
#include "base/log.hpp"
#include "device/cuda_bridge.hpp"
#include "device/cuda_check.hpp"
#include "device/device_of.hpp"
#include "dist/check.hpp"
#include "dist/watchdog.hpp"

namespace ddls::dist {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

ncclDataType_t nccl_type(const at::Tensor& tensor) {
  switch (tensor.scalar_type()) {
    case at::kByte:
      return ncclUint8;
    case at::kInt:
      return ncclInt32;
    case at::kLong:
      return ncclInt64;
    case at::kFloat:
      return ncclFloat32;
    case at::kDouble:
      return ncclFloat64;
    case at::kBFloat16:
      return ncclBfloat16;
    default:
      fail(Exit::internal, "NCCL: tensors of type {} are not sent", c10::toString(tensor.scalar_type()));
  }
}

ncclRedOp_t nccl_op(Reduce op) {
  switch (op) {
    case Reduce::sum:
      return ncclSum;
    case Reduce::mean:
      return ncclAvg;
    case Reduce::min:
      return ncclMin;
    case Reduce::max:
      return ncclMax;
  }
  fail(Exit::internal, "unknown reduction");
}

class Event {
 public:
  Event() { DDLS_CUDA(cudaEventCreateWithFlags(&event_, cudaEventDisableTiming)); }
  ~Event() {
    if (event_) cudaEventDestroy(event_);  // CUDA defers it while the event is pending
  }
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;
  cudaEvent_t get() const { return event_; }

 private:
  cudaEvent_t event_ = nullptr;
};

struct InFlight {
  std::shared_ptr<Event> done;
  const char* operation;
  int64_t bytes;
  uint64_t number;
  Clock::time_point start;
};

// Calls into NCCL that wait for other ranks get a thread of their own, with the device chosen in it. Nothing where the
// call has not come back within the limit (0: none): its thread is left behind, to end with the process. So `call` owns
// what it uses.
std::optional<ncclResult_t> in_time(int device, double limit_s, std::function<ncclResult_t()> call) {
  auto done = std::make_shared<std::promise<ncclResult_t>>();
  auto result = done->get_future();
  std::thread([done, device, call = std::move(call)] {
    done->set_value(cudaSetDevice(device) == cudaSuccess ? call() : ncclUnhandledCudaError);
  }).detach();
  if (limit_s > 0 && result.wait_for(std::chrono::duration<double>(limit_s)) == std::future_status::timeout)
    return std::nullopt;
  return result.get();
}

// The communicator is a blocking one: a call that has come back has put its work on the stream. Of the other kind NCCL
// 2.28 hands every call to a thread, which ncclCommGetAsyncError joins and frees, so that two threads that ask at once,
// as the monitor and the one that waits for its call would, free it twice. Of a blocking one the monitor may ask at any
// time.
class NcclChannel {
 public:
  NcclChannel(const std::string& unique_id, int rank, int ranks, int device, double timeout_s, NcclCallbacks callbacks);
  ~NcclChannel();
  NcclChannel(const NcclChannel&) = delete;
  NcclChannel& operator=(const NcclChannel&) = delete;

  Pending all_reduce(const at::Tensor& tensor, Reduce op, uint64_t number);
  Pending broadcast(const at::Tensor& tensor, int root, uint64_t number);

 private:
  template <typename Call>
  Pending launch(const at::Tensor& tensor, const char* operation, uint64_t number, const Call& call);
  ncclComm_t connect(const ncclUniqueId& id, int ranks) const;
  void abort_communicator();
  void stop_monitor();
  void monitor();
  [[noreturn]] void end_process(const std::string& message);

  int rank_, device_;
  double timeout_s_;
  NcclCallbacks callbacks_;
  int exceptions_ = std::uncaught_exceptions();
  std::atomic<ncclComm_t> comm_ = nullptr;  // null once aborted
  cudaStream_t stream_ = nullptr;
  std::mutex calls_;  // held while a thread is inside NCCL with comm_, which is not aborted then
  std::mutex mutex_;  // guards in_flight_ and stopping_
  std::condition_variable wake_;
  std::deque<InFlight> in_flight_;
  bool stopping_ = false;
  std::thread monitor_;
};

NcclChannel::NcclChannel(const std::string& unique_id, int rank, int ranks, int device, double timeout_s,
                         NcclCallbacks callbacks)
    : rank_(rank), device_(device), timeout_s_(timeout_s), callbacks_(std::move(callbacks)) {
  ncclUniqueId id;
  ensure(unique_id.size() == sizeof id, "an NCCL id has {} bytes, not {}", sizeof id, unique_id.size());
  std::memcpy(&id, unique_id.data(), sizeof id);

  int loaded = 0;
  DDLS_NCCL(ncclGetVersion(&loaded));
  if (loaded < NCCL_VERSION_CODE) {
    fail(Exit::runtime, "NCCL {} is loaded, but the program was built with {}: check LD_LIBRARY_PATH", loaded,
         NCCL_VERSION_CODE);
  }
  comm_ = connect(id, ranks);

  const c10::DeviceGuard guard(device::device_of(device));
  int least = 0, greatest = 0;
  DDLS_CUDA(cudaDeviceGetStreamPriorityRange(&least, &greatest));
  // High priority: a bucket that can leave should not queue behind the backward pass that it overlaps.
  DDLS_CUDA(cudaStreamCreateWithPriority(&stream_, cudaStreamNonBlocking, greatest));
  monitor_ = std::thread([this] { monitor(); });
}

ncclComm_t NcclChannel::connect(const ncclUniqueId& id, int ranks) const {
  constexpr double after_the_watchdog_s = 5;  // which knows who is missing
  const auto made = std::make_shared<ncclComm_t>(nullptr);
  const auto result =
      in_time(device_, timeout_s_ > 0 ? timeout_s_ + after_the_watchdog_s : 0, [made, id, ranks, rank = rank_] {
        ncclConfig_t config = NCCL_CONFIG_INITIALIZER;
        config.blocking = 1;
        return ncclCommInitRankConfig(made.get(), ranks, id, rank, &config);
      });
  if (!result)
    fail(Exit::runtime,
         "NCCL: ncclCommInitRankConfig was not done after {} s: is a rank missing, or the network closed?",
         timeout_s_ + after_the_watchdog_s);
  if (*result != ncclSuccess) {
    const char* detail = ncclGetLastError(nullptr);
    fail(Exit::runtime, "NCCL: ncclCommInitRankConfig failed: {}: {} (NCCL_DEBUG=INFO tells more)",
         ncclGetErrorString(*result), detail ? detail : "no detail");
  }
  return *made;
}

void NcclChannel::stop_monitor() {
  {
    const std::scoped_lock lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  monitor_.join();
}

NcclChannel::~NcclChannel() {
  if (std::uncaught_exceptions() > exceptions_) {
    stop_monitor();
    abort_communicator();  // the other ranks may not come to a finalize
    return;
  }
  try {
    const c10::DeviceGuard guard(device::device_of(device_));
    // While the monitor still looks: it ends the process where a rank does not come to what is under way.
    const cudaError_t drained = cudaStreamSynchronize(stream_);
    stop_monitor();
    DDLS_CUDA(drained);
    const ncclComm_t comm = comm_.exchange(nullptr);
    if (!comm) return;
    const double limit_s = timeout_s_ > 0 ? std::min(30.0, timeout_s_) : 30;
    const auto closed = in_time(device_, limit_s, [comm] {
      const ncclResult_t finalized = ncclCommFinalize(comm);
      return finalized == ncclSuccess ? ncclCommDestroy(comm) : finalized;
    });
    if (!closed) log::warning("closing NCCL: not done after {} s", limit_s);
    if (closed) DDLS_NCCL(*closed);
    DDLS_CUDA(cudaStreamDestroy(stream_));
  } catch (const std::exception& error) {
    log::warning("closing NCCL: {}", error.what());
  }
  if (monitor_.joinable()) stop_monitor();
}

// ncclCommAbort itself has been seen to hang, so it gets five seconds; the process ends soon after anyway. Where a
// thread hangs inside NCCL the end of the process does it alone: an abort would free what that thread uses.
void NcclChannel::abort_communicator() {
  const std::unique_lock outside(calls_, std::try_to_lock);
  if (!outside.owns_lock()) return;
  const ncclComm_t comm = comm_.exchange(nullptr);
  if (comm) in_time(device_, 5, [comm] { return ncclCommAbort(comm); });
}

template <typename Call>
Pending NcclChannel::launch(const at::Tensor& tensor, const char* operation, uint64_t number, const Call& call) {
  ensure(!tensor.is_cpu() && tensor.get_device() == device_, "NCCL: {} #{} needs a tensor on cuda:{}", operation,
         number, device_);
  const c10::DeviceGuard guard(tensor.device());
  // The collective may start once all that was launched before this call on the thread's stream is done.
  const Event ready;
  DDLS_CUDA(cudaEventRecord(ready.get(), static_cast<cudaStream_t>(device::current_stream(device_))));
  DDLS_CUDA(cudaStreamWaitEvent(stream_, ready.get(), 0));
  {
    const std::scoped_lock inside(calls_);
    ensure(comm_.load() != nullptr, "NCCL: {} #{} after the communicator was aborted", operation, number);
    DDLS_NCCL(call());
  }
  auto done = std::make_shared<Event>();
  DDLS_CUDA(cudaEventRecord(done->get(), stream_));
  {
    const std::scoped_lock lock(mutex_);
    in_flight_.push_back({done, operation, static_cast<int64_t>(tensor.nbytes()), number, Clock::now()});
  }
  // The tensor is held until its owner's stream has been told to wait: its memory cannot be reused before that.
  return Pending([done, tensor, device = device_] {
    const c10::DeviceGuard here(tensor.device());
    DDLS_CUDA(cudaStreamWaitEvent(static_cast<cudaStream_t>(device::current_stream(device)), done->get(), 0));
  });
}

Pending NcclChannel::all_reduce(const at::Tensor& tensor, Reduce op, uint64_t number) {
  return launch(tensor, "all_reduce", number, [&] {
    void* data = tensor.data_ptr();
    return ncclAllReduce(data, data, static_cast<size_t>(tensor.numel()), nccl_type(tensor), nccl_op(op), comm_,
                         stream_);
  });
}

Pending NcclChannel::broadcast(const at::Tensor& tensor, int root, uint64_t number) {
  return launch(tensor, "broadcast", number, [&] {  // bytes: the type does not matter
    void* data = tensor.data_ptr();
    return ncclBroadcast(data, data, tensor.nbytes(), ncclUint8, root, comm_, stream_);
  });
}

// A host thread that waits for the device sees neither a failed link nor a rank that never came; this thread does.
void NcclChannel::monitor() {
  cudaSetDevice(device_);
  // Asking for an event must not invalidate a graph that the main thread is capturing.
  cudaStreamCaptureMode mode = cudaStreamCaptureModeRelaxed;
  cudaThreadExchangeStreamCaptureMode(&mode);
  std::unique_lock lock(mutex_);
  while (!wake_.wait_for(lock, std::chrono::milliseconds(200), [this] { return stopping_; })) {
    ncclResult_t state = ncclSuccess;
    const ncclComm_t comm = comm_;
    if (!comm || ncclCommGetAsyncError(comm, &state) != ncclSuccess) continue;
    if (state != ncclSuccess && state != ncclInProgress) {
      end_process(fmt::format("rank {}: NCCL: {}: {}", rank_, ncclGetErrorString(state), ncclGetLastError(comm)));
    }
    while (!in_flight_.empty()) {
      const cudaError_t code = cudaEventQuery(in_flight_.front().done->get());
      const InFlight& first = in_flight_.front();
      if (code == cudaSuccess) {
        if (callbacks_.ended) callbacks_.ended(first.number);
        in_flight_.pop_front();
        continue;
      }
      if (code != cudaErrorNotReady) {
        end_process(
            fmt::format("rank {}: {} #{}: CUDA: {}", rank_, first.operation, first.number, cudaGetErrorString(code)));
      }
      if (timeout_s_ > 0 && seconds_since(first.start) > timeout_s_) {
        const std::string absent = callbacks_.missing ? callbacks_.missing(first.number) : std::string();
        end_process(fmt::format("rank {} hung in {} #{}, {} (longer than {} s){}{}", rank_, first.operation,
                                first.number, bytes_text(first.bytes), timeout_s_, absent.empty() ? "" : ": ", absent));
      }
      break;
    }
  }
}

// This thread may not call MPI; mpirun ends the other ranks when a process exits with an error.
void NcclChannel::end_process(const std::string& message) {
  if (callbacks_.tell_end)
    callbacks_.tell_end(message);
  else
    log::error("{}", message);
  abort_communicator();
  _exit(static_cast<int>(Exit::runtime));
}

}  // namespace

std::string nccl_version() {
  int version = 0;
  DDLS_NCCL(ncclGetVersion(&version));
  return fmt::format("{}.{}.{}", version / 10000, version / 100 % 100, version % 100);
}

std::string nccl_unique_id() {
  ncclUniqueId id;
  DDLS_NCCL(ncclGetUniqueId(&id));
  return {reinterpret_cast<const char*>(&id), sizeof id};
}

DeviceCollectives connect_nccl(const std::string& unique_id, int rank, int ranks, int device, double timeout_s,
                               NcclCallbacks callbacks) {
  auto channel = std::make_shared<NcclChannel>(unique_id, rank, ranks, device, timeout_s, std::move(callbacks));
  return {[channel](const at::Tensor& tensor, Reduce op, uint64_t number) {
            return channel->all_reduce(tensor, op, number);
          },
          [channel](const at::Tensor& tensor, int root, uint64_t number) {
            return channel->broadcast(tensor, root, number);
          }};
}

}  // namespace ddls::dist
