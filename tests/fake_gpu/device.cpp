// The devices as Torch asks for them: how many, which is a thread's own, streams (one each), events (none are needed:
// every operator has run when it returns), page-locked memory.
#include <ATen/detail/PrivateUse1HooksInterface.h>
#include <c10/core/impl/DeviceGuardImplInterface.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>

#include "fake_gpu/fake_gpu.hpp"

namespace ddls::fake_gpu {
namespace {

constexpr int most = 16;
thread_local int current = 0;
thread_local void* stream = nullptr;
std::atomic<bool> context[most];

c10::Device numbered(int device) { return {kind, static_cast<c10::DeviceIndex>(device)}; }

c10::Stream default_of(c10::Device device) { return c10::Stream(c10::Stream::DEFAULT, device); }

struct Guard final : c10::impl::DeviceGuardImplInterface {
  c10::DeviceType type() const override { return kind; }
  c10::Device exchangeDevice(c10::Device device) const override {
    const c10::Device before = getDevice();
    setDevice(device);
    return before;
  }
  c10::Device getDevice() const override { return numbered(current); }
  void setDevice(c10::Device device) const override { set_current_device(device.index()); }
  void uncheckedSetDevice(c10::Device device) const noexcept override { current = device.index(); }
  c10::Stream getStream(c10::Device device) const override { return default_of(device); }
  c10::Stream getDefaultStream(c10::Device device) const override { return default_of(device); }
  c10::Stream exchangeStream(c10::Stream other) const override { return other; }
  void record(void**, const c10::Stream&, c10::DeviceIndex, c10::EventFlag) const override {}
  void block(void*, const c10::Stream&) const override {}
  bool queryEvent(void*) const override { return true; }
  c10::DeviceIndex deviceCount() const noexcept override { return static_cast<c10::DeviceIndex>(device_count()); }
  void synchronizeDevice(c10::DeviceIndex device) const override {
    use_context(device);
    host_touches("waiting for the device");
    host_waits("synchronisation");
  }
};

struct Hooks final : at::PrivateUse1HooksInterface {
  bool isBuilt() const override { return true; }
  bool isAvailable() const override { return device_count() > 0; }
  c10::DeviceIndex deviceCount() const override { return static_cast<c10::DeviceIndex>(device_count()); }
  c10::DeviceIndex getCurrentDevice() const override { return static_cast<c10::DeviceIndex>(current); }
  bool hasPrimaryContext(c10::DeviceIndex device) const override { return has_context(device); }
  bool isPinnedPtr(const void* pointer) const override { return is_pinned(pointer); }
  c10::Allocator* getPinnedMemoryAllocator() const override { return pinned_allocator(); }
};

const bool registered = [] {
  c10::register_privateuse1_backend("fake");
  c10::SetAllocator(kind, device_allocator());
  at::RegisterPrivateUse1HooksInterface(new Hooks);
  return true;
}();

C10_REGISTER_GUARD_IMPL(PrivateUse1, Guard);

}  // namespace

int device_count() {
  static const int count = [] {
    const char* const set = std::getenv("DDLS_FAKE_GPUS");
    return std::clamp(set == nullptr ? 1 : std::atoi(set), 0, most);
  }();
  return count;
}

int current_device() { return current; }

void set_current_device(int device) {
  TORCH_CHECK(device >= 0 && device < device_count(), "CUDA error: invalid device ordinal ", device, " (fake GPU)");
  current = device;
}

void* current_stream() { return stream; }

void set_current_stream(void* of_cuda) { stream = of_cuda; }

bool has_context(int device) { return context[device]; }

void use_context(int device) { context[device] = true; }

}  // namespace ddls::fake_gpu
