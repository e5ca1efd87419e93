#pragma once
// GPUs for tests on machines without one. A test that is linked with ddls_fake_gpu finds DDLS_FAKE_GPUS devices (1 by
// default) behind src/device: tensors of Torch's PrivateUse1 kind whose operators run on the CPU, but whose memory the
// host may not touch. What a real GPU refuses is refused, and what makes the host wait for one is counted:
//   - data_ptr() of such a tensor names pages without permissions: to read or write there is a SIGSEGV, on the line
//     that does it. The operators find the data elsewhere (host_address);
//   - tensors of different devices do not mix, but for CPU scalars;
//   - fresh memory holds 0xFF: floats that nobody wrote are NaN;
//   - backward runs on a thread of the device, hooks with it;
//   - a copy to the host by device::copy_to_host is made when it is waited for, a reduction of the fake NCCL when it is
//     waited for, and what was to be reduced may not change meanwhile.
// It shows nothing of speed, of streams, or of how a GPU rounds.
#include <c10/core/Allocator.h>
#include <c10/core/Device.h>

#include <cstdint>
#include <memory>
#include <string>

namespace ddls::fake_gpu {

inline constexpr c10::DeviceType kind = c10::DeviceType::PrivateUse1;

int device_count();
int current_device();  // of the calling thread
void set_current_device(int device);
// What device::current_stream names to the calling thread: null until a test (of tests/fake_cuda) says otherwise.
void* current_stream();
void set_current_stream(void* stream);
// Has any thread used this device?
bool has_context(int device);
void use_context(int device);

// Where the data of device memory lie; null for null. Other addresses are returned as they are.
char* host_address(const void* pointer);
c10::Allocator* device_allocator();
c10::Allocator* pinned_allocator();
bool is_pinned(const void* pointer);

// What the calling thread, and the backward passes that it starts, may do for a scope.
enum class Rule {
  count,    // anything: host waits are counted
  no_wait,  // throws where the host would wait for the device
  capture,  // as while a CUDA graph is recorded: no copy from or to the host at all
};
struct Waits;
class Watch {
 public:
  explicit Watch(Rule rule = Rule::count);
  ~Watch();
  Watch(const Watch&) = delete;
  Watch& operator=(const Watch&) = delete;
  int64_t waits() const;
  std::string text() const;  // "2 x item, 1 x copy to the host"

 private:
  std::shared_ptr<Waits> mine_;
};
// The host waits for the device here: counts, or throws.
void host_waits(const std::string& what);
void host_touches(const std::string& what);  // throws while a graph is recorded

}  // namespace ddls::fake_gpu
