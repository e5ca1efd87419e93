#include "dist/cuda_bridge.hpp"

#include <ATen/Context.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include "base/error.hpp"
#include "dist/nccl_channel.hpp"

namespace ddls {
namespace cuda {
namespace {

c10::impl::VirtualGuardImpl wheel() { return c10::impl::VirtualGuardImpl(c10::DeviceType::CUDA); }

}  // namespace

Devices devices() {
  if (!at::hasCUDA()) return {0, "Torch sees no CUDA device"};
  return {wheel().deviceCount(), ""};
}

std::string device_name(int) { return "GPU"; }

std::string device_pci_bus_id(int) { return {}; }

void set_device(int device) { wheel().setDevice({c10::DeviceType::CUDA, static_cast<c10::DeviceIndex>(device)}); }

bool has_nccl() { return false; }

void* current_stream(int) { fail(Exit::internal, "CUDA streams: this program was built without the CUDA toolkit"); }

}  // namespace cuda

std::string nccl_version() { return {}; }

std::string nccl_unique_id() { fail(Exit::internal, "NCCL: this program was built without the CUDA toolkit"); }

DeviceCollectives connect_nccl(const std::string&, int, int, int, double) {
  fail(Exit::internal, "NCCL: this program was built without the CUDA toolkit");
}

}  // namespace ddls
