#include <ATen/ATen.h>
#include <ATen/Context.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include "base/error.hpp"
#include "device/cuda_bridge.hpp"
#include "device/cuda_graph.hpp"
#include "device/host_copy.hpp"
#include "device/wait_alarm.hpp"

namespace ddls::device {
namespace {

c10::impl::VirtualGuardImpl wheel() { return c10::impl::VirtualGuardImpl(c10::DeviceType::CUDA); }

[[noreturn]] void lacks(const char* what) { fail(Exit::internal, "{}: this program was built without CUDA", what); }

}  // namespace

Devices devices() {
  if (!at::hasCUDA()) return {0, "Torch sees no CUDA device", false};
  return {wheel().deviceCount(), "", false};
}

std::string device_name(int) { return "GPU"; }

std::string device_pci_bus_id(int) { return {}; }

int compute_capability(int) { return 0; }

void set_device(int device) { wheel().setDevice({c10::DeviceType::CUDA, static_cast<c10::DeviceIndex>(device)}); }

void synchronize(int device) { wheel().synchronizeDevice(static_cast<c10::DeviceIndex>(device)); }

bool built_with_cuda() { return false; }

std::string prepare_kernels(int) { lacks("kernels"); }
std::string try_kernels() { lacks("kernels"); }

void* current_stream(int) { lacks("CUDA streams"); }

void fill_uniform(const NoiseRows&, float*, void*) { lacks("noise on a GPU"); }
void fill_normal(const NoiseRows&, float*, void*) { lacks("noise on a GPU"); }
void langevin_move(const NoiseRows&, const float*, const float*, float, float, float*, void*) {
  lacks("noise on a GPU");
}

std::function<at::Tensor()> copy_to_host(const at::Tensor& source) {
  return [copy = source.cpu()] { return copy; };
}

struct CudaGraph::Recording {};
CudaGraph::CudaGraph(Function) { lacks("CUDA graphs"); }
CudaGraph::~CudaGraph() = default;
CudaGraph::Tensors CudaGraph::operator()(const Tensors&) { lacks("CUDA graphs"); }

WaitAlarm::WaitAlarm() = default;
WaitAlarm::~WaitAlarm() = default;

}  // namespace ddls::device
