// Streams and events of the CUDA runtime.
#include <atomic>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>

#include "fake_cuda/fake_cuda.hpp"
#include "fake_gpu/fake_gpu.hpp"

namespace ddls::fake_cuda {
namespace {

std::atomic<int> failed{cudaSuccess}, streams{0}, events{0};

cudaError_t state() { return static_cast<cudaError_t>(failed.load()); }

// A place in a stream.
class Mark {
 public:
  void reach() {
    const std::scoped_lock lock(mutex_);
    reached_ = true;
    changed_.notify_all();
  }
  bool reached() const {
    const std::scoped_lock lock(mutex_);
    return reached_;
  }
  // Ends, too, where the device has failed.
  cudaError_t wait() {
    std::unique_lock lock(mutex_);
    while (!changed_.wait_for(lock, std::chrono::milliseconds(5), [this] { return reached_; }))
      if (state() != cudaSuccess) return state();
    return cudaSuccess;
  }

 private:
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  bool reached_ = false;
};

class Queue : public std::enable_shared_from_this<Queue> {
 public:
  void start() {
    std::thread([self = shared_from_this()] { self->run(); }).detach();
  }
  void push(std::function<void()> work) {
    const std::scoped_lock lock(mutex_);
    works_.push_back(std::move(work));
    changed_.notify_all();
  }
  void close() {
    const std::scoped_lock lock(mutex_);
    closed_ = true;
    changed_.notify_all();
  }

 private:
  void run() {
    std::unique_lock lock(mutex_);
    for (;;) {
      changed_.wait(lock, [this] { return closed_ || !works_.empty(); });
      if (works_.empty()) return;
      std::function<void()> work = std::move(works_.front());
      works_.pop_front();
      lock.unlock();
      work();
      work = nullptr;
      lock.lock();
    }
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::function<void()>> works_;
  bool closed_ = false;
};

int use_device() {
  const int device = fake_gpu::current_device();
  fake_gpu::use_context(device);
  return device;
}

}  // namespace
}  // namespace ddls::fake_cuda

using ddls::fake_cuda::Mark;
using ddls::fake_cuda::Queue;

struct CUstream_st {
  int device;
  std::shared_ptr<Queue> queue = std::make_shared<Queue>();
};

struct CUevent_st {
  int device;
  std::mutex mutex = {};
  std::shared_ptr<Mark> latest = {};  // none: not recorded, which counts as reached

  std::shared_ptr<Mark> mark() {
    const std::scoped_lock lock(mutex);
    return latest;
  }
};

namespace ddls::fake_cuda {

void launch(cudaStream_t stream, std::function<void()> kernel) {
  if (stream == nullptr) return kernel();
  stream->queue->push(std::move(kernel));
}

void fail_device(cudaError_t code) { failed = code; }

namespace detail {
Live live_of_runtime() { return {streams.load(), events.load(), 0}; }
}  // namespace detail

}  // namespace ddls::fake_cuda

using namespace ddls::fake_cuda;

cudaError_t cudaSetDevice(int device) {
  if (device < 0 || device >= ddls::fake_gpu::device_count()) return cudaErrorInvalidDevice;
  ddls::fake_gpu::set_current_device(device);
  return state();
}

cudaError_t cudaDeviceGetStreamPriorityRange(int* least, int* greatest) {
  *least = 0;
  *greatest = -5;
  return state();
}

cudaError_t cudaStreamCreateWithPriority(cudaStream_t* stream, unsigned int, int priority) {
  if (priority < -5 || priority > 0) return cudaErrorInvalidValue;
  const int device = use_device();
  if (faults()->is("stream_error", device)) return cudaErrorMemoryAllocation;
  ++streams;
  *stream = new CUstream_st{device};
  (*stream)->queue->start();
  return state();
}

// What is queued still runs, as with CUDA.
cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  stream->queue->close();
  delete stream;
  --streams;
  return state();
}

cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
  use_device();
  if (stream == nullptr) return state();
  const auto end = std::make_shared<Mark>();
  stream->queue->push([end] { end->reach(); });
  const cudaError_t waited = end->wait();
  return waited == cudaSuccess ? state() : waited;
}

cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned int flags) {
  if (flags != cudaEventDisableTiming) return cudaErrorInvalidValue;
  ++events;
  *event = new CUevent_st{use_device()};
  return state();
}

cudaError_t cudaEventDestroy(cudaEvent_t event) {
  delete event;
  --events;
  return state();
}

cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
  const int device = stream == nullptr ? use_device() : stream->device;
  if (event->device != device) return cudaErrorInvalidResourceHandle;
  const auto mark = std::make_shared<Mark>();
  {
    const std::scoped_lock lock(event->mutex);
    event->latest = mark;
  }
  launch(stream, [mark] { mark->reach(); });
  return state();
}

cudaError_t cudaEventQuery(cudaEvent_t event) {
  use_device();
  if (state() != cudaSuccess) return state();
  const std::shared_ptr<Mark> mark = event->mark();
  return !mark || mark->reached() ? cudaSuccess : cudaErrorNotReady;
}

cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned int) {
  use_device();
  const std::shared_ptr<Mark> mark = event->mark();
  if (!mark || faults()->no_stream_waits) return state();
  launch(stream, [mark] { mark->wait(); });
  return state();
}

cudaError_t cudaThreadExchangeStreamCaptureMode(cudaStreamCaptureMode* mode) {
  thread_local cudaStreamCaptureMode present = cudaStreamCaptureModeGlobal;
  std::swap(*mode, present);
  return state();
}

const char* cudaGetErrorName(cudaError_t code) {
  switch (code) {
    case cudaErrorMemoryAllocation:
      return "cudaErrorMemoryAllocation";
    case cudaErrorIllegalAddress:
      return "cudaErrorIllegalAddress";
    case cudaErrorInvalidResourceHandle:
      return "cudaErrorInvalidResourceHandle";
    case cudaErrorInvalidDevice:
      return "cudaErrorInvalidDevice";
    default:
      return "cudaErrorOfTheFake";
  }
}

const char* cudaGetErrorString(cudaError_t code) {
  switch (code) {
    case cudaErrorMemoryAllocation:
      return "out of memory";
    case cudaErrorIllegalAddress:
      return "an illegal memory access was encountered";
    case cudaErrorInvalidResourceHandle:
      return "invalid resource handle";
    default:
      return "an error of the fake runtime";
  }
}
