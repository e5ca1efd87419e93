#include "dist/nccl_channel.hpp"

#include <c10/core/DeviceGuard.h>
#include <cuda_runtime_api.h>
#include <nccl.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstring>
#include <deque>
#include <exception>
#include <future>
#include <memory>
#include <mutex>
#include <thread>

#include "base/error.hpp"
#include "base/log.hpp"
#include "device/cuda_bridge.hpp"
#include "device/cuda_check.hpp"
#include "dist/check.hpp"
#include "dist/watchdog.hpp"

namespace ddls {
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

class NcclChannel {
 public:
  NcclChannel(const std::string& unique_id, int rank, int ranks, int device, double timeout_s);
  ~NcclChannel();
  NcclChannel(const NcclChannel&) = delete;
  NcclChannel& operator=(const NcclChannel&) = delete;

  Pending all_reduce(const at::Tensor& tensor, Reduce op, uint64_t number);
  Pending broadcast(const at::Tensor& tensor, int root, uint64_t number);

 private:
  template <typename Call>
  Pending launch(const at::Tensor& tensor, const char* operation, uint64_t number, const Call& call);
  void settle(const char* operation, double limit_s);
  void abort_communicator();
  void monitor();
  [[noreturn]] void end_process(const std::string& message);

  int rank_, device_;
  double timeout_s_;
  int exceptions_ = std::uncaught_exceptions();
  std::atomic<ncclComm_t> comm_ = nullptr;  // null once aborted
  cudaStream_t stream_ = nullptr;
  std::mutex mutex_;  // guards in_flight_, stopping_ and the life of comm_
  std::condition_variable wake_;
  std::deque<InFlight> in_flight_;
  bool stopping_ = false;
  std::thread monitor_;
};

NcclChannel::NcclChannel(const std::string& unique_id, int rank, int ranks, int device, double timeout_s)
    : rank_(rank), device_(device), timeout_s_(timeout_s) {
  ncclUniqueId id;
  ensure(unique_id.size() == sizeof id, "an NCCL id has {} bytes, not {}", sizeof id, unique_id.size());
  std::memcpy(&id, unique_id.data(), sizeof id);

  int loaded = 0;
  DDLS_NCCL(ncclGetVersion(&loaded));
  if (loaded < NCCL_VERSION_CODE) {
    fail(Exit::runtime, "NCCL {} is loaded, but the program was built with {}: check LD_LIBRARY_PATH", loaded,
         NCCL_VERSION_CODE);
  }

  const c10::DeviceGuard guard(c10::Device(c10::DeviceType::CUDA, static_cast<c10::DeviceIndex>(device)));
  int least = 0, greatest = 0;
  DDLS_CUDA(cudaDeviceGetStreamPriorityRange(&least, &greatest));
  // High priority: a bucket that can leave should not queue behind the backward pass that it overlaps.
  DDLS_CUDA(cudaStreamCreateWithPriority(&stream_, cudaStreamNonBlocking, greatest));

  // Not blocking: a communicator that waits inside NCCL for a dead rank could not be aborted.
  ncclConfig_t config = NCCL_CONFIG_INITIALIZER;
  config.blocking = 0;
  ncclComm_t made = nullptr;
  DDLS_NCCL(ncclCommInitRankConfig(&made, ranks, id, rank, &config));
  comm_ = made;
  settle("ncclCommInitRankConfig", timeout_s_);
  monitor_ = std::thread([this] { monitor(); });
}

NcclChannel::~NcclChannel() {
  {
    const std::scoped_lock lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  monitor_.join();
  if (std::uncaught_exceptions() > exceptions_) {
    abort_communicator();  // the other ranks may not come to a finalize
    return;
  }
  try {
    const c10::DeviceGuard guard(c10::Device(c10::DeviceType::CUDA, static_cast<c10::DeviceIndex>(device_)));
    DDLS_CUDA(cudaStreamSynchronize(stream_));
    DDLS_NCCL(ncclCommFinalize(comm_));
    settle("ncclCommFinalize", 30);
    DDLS_NCCL(ncclCommDestroy(comm_));
    DDLS_CUDA(cudaStreamDestroy(stream_));
  } catch (const std::exception& error) {
    log::warning("closing NCCL: {}", error.what());
  }
}

// Waits until NCCL has taken the last call: only then is its work on the stream.
void NcclChannel::settle(const char* operation, double limit_s) {
  const auto start = Clock::now();
  for (;;) {
    ncclResult_t state = ncclSuccess;
    const ncclResult_t asked = ncclCommGetAsyncError(comm_, &state);
    if (asked != ncclSuccess) state = asked;
    if (state == ncclSuccess) return;
    if (state != ncclInProgress) {
      const char* text = ncclGetLastError(comm_);
      const std::string detail = text ? text : "";
      const std::scoped_lock lock(mutex_);  // the monitor must not ask a communicator that is going
      abort_communicator();
      fail(Exit::runtime, "NCCL: {} failed: {}: {} (NCCL_DEBUG=INFO tells more)", operation, ncclGetErrorString(state),
           detail);
    }
    const double waited = seconds_since(start);
    if (limit_s > 0 && waited > limit_s) {
      const std::scoped_lock lock(mutex_);
      abort_communicator();
      fail(Exit::runtime, "NCCL: {} was not done after {} s: is a rank missing, or the network closed?", operation,
           limit_s);
    }
    if (waited > 0.001) std::this_thread::sleep_for(std::chrono::microseconds(100));
  }
}

// ncclCommAbort itself has been seen to hang, so it gets a thread and five seconds; the process ends soon after anyway.
void NcclChannel::abort_communicator() {
  const ncclComm_t comm = comm_.exchange(nullptr);
  if (!comm) return;
  auto done = std::make_shared<std::promise<void>>();
  auto ended = done->get_future();
  std::thread([done, comm, device = device_] {
    cudaSetDevice(device);
    ncclCommAbort(comm);
    done->set_value();
  }).detach();
  ended.wait_for(std::chrono::seconds(5));
}

template <typename Call>
Pending NcclChannel::launch(const at::Tensor& tensor, const char* operation, uint64_t number, const Call& call) {
  ensure(comm_.load() != nullptr, "NCCL: {} #{} after the communicator was aborted", operation, number);
  ensure(tensor.is_cuda() && tensor.get_device() == device_, "NCCL: {} #{} needs a tensor on cuda:{}", operation,
         number, device_);
  const c10::DeviceGuard guard(tensor.device());
  // The collective may start once all that was launched before this call on the thread's stream is done.
  const Event ready;
  DDLS_CUDA(cudaEventRecord(ready.get(), static_cast<cudaStream_t>(cuda::current_stream(device_))));
  DDLS_CUDA(cudaStreamWaitEvent(stream_, ready.get(), 0));
  DDLS_NCCL(call());
  settle(operation, timeout_s_);
  auto done = std::make_shared<Event>();
  DDLS_CUDA(cudaEventRecord(done->get(), stream_));
  {
    const std::scoped_lock lock(mutex_);
    in_flight_.push_back({done, operation, static_cast<int64_t>(tensor.nbytes()), number, Clock::now()});
  }
  // The tensor is held until its owner's stream has been told to wait: its memory cannot be reused before that.
  return Pending([done, tensor, device = device_] {
    const c10::DeviceGuard here(tensor.device());
    DDLS_CUDA(cudaStreamWaitEvent(static_cast<cudaStream_t>(cuda::current_stream(device)), done->get(), 0));
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
    if (!comm_ || ncclCommGetAsyncError(comm_, &state) != ncclSuccess) continue;
    if (state != ncclSuccess && state != ncclInProgress) {
      end_process(fmt::format("rank {}: NCCL: {}: {}", rank_, ncclGetErrorString(state), ncclGetLastError(comm_)));
    }
    while (!in_flight_.empty()) {
      const cudaError_t code = cudaEventQuery(in_flight_.front().done->get());
      const InFlight& first = in_flight_.front();
      if (code == cudaSuccess) {
        in_flight_.pop_front();
        continue;
      }
      if (code != cudaErrorNotReady) {
        end_process(
            fmt::format("rank {}: {} #{}: CUDA: {}", rank_, first.operation, first.number, cudaGetErrorString(code)));
      }
      if (timeout_s_ > 0 && seconds_since(first.start) > timeout_s_) {
        end_process(fmt::format("rank {} hung in {} #{}, {} (longer than {} s)", rank_, first.operation, first.number,
                                bytes_text(first.bytes), timeout_s_));
      }
      break;
    }
  }
}

// This thread may not call MPI; mpirun ends the other ranks when a process exits with an error.
void NcclChannel::end_process(const std::string& message) {
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

DeviceCollectives connect_nccl(const std::string& unique_id, int rank, int ranks, int device, double timeout_s) {
  auto channel = std::make_shared<NcclChannel>(unique_id, rank, ranks, device, timeout_s);
  return {[channel](const at::Tensor& tensor, Reduce op, uint64_t number) {
            return channel->all_reduce(tensor, op, number);
          },
          [channel](const at::Tensor& tensor, int root, uint64_t number) {
            return channel->broadcast(tensor, root, number);
          }};
}

}  // namespace ddls
