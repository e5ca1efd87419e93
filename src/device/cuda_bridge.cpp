#include "device/cuda_bridge.hpp"

#include <c10/cuda/CUDAFunctions.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>
#include <cuda_runtime_api.h>

#include "device/cuda_check.hpp"

namespace ddls::device {

Devices devices() {
  int count = 0;
  const cudaError_t code = cudaGetDeviceCount(&count);
  if (code == cudaSuccess) return {count, "", false};
  cudaGetLastError();  // otherwise the next kernel launch would report it again
  // Without any driver the runtime calls it too old.
  return {0, cudaGetErrorString(code), code != cudaErrorNoDevice && code != cudaErrorInsufficientDriver};
}

std::string device_name(int device) {
  cudaDeviceProp properties{};
  DDLS_CUDA(cudaGetDeviceProperties(&properties, device));
  return properties.name;
}

std::string device_pci_bus_id(int device) {
  char id[32] = "";
  DDLS_CUDA(cudaDeviceGetPCIBusId(id, sizeof id, device));
  return id;
}

int compute_capability(int device) {
  int major = 0, minor = 0;
  DDLS_CUDA(cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, device));
  DDLS_CUDA(cudaDeviceGetAttribute(&minor, cudaDevAttrComputeCapabilityMinor, device));
  return 10 * major + minor;
}

void set_device(int device) { c10::cuda::set_device(static_cast<c10::DeviceIndex>(device)); }

void synchronize(int device) {
  const c10::cuda::CUDAGuard there(static_cast<c10::DeviceIndex>(device));
  c10::cuda::device_synchronize();
}

bool built_with_cuda() { return true; }

void* current_stream(int device) {
  return c10::cuda::getCurrentCUDAStream(static_cast<c10::DeviceIndex>(device)).stream();
}

}  // namespace ddls::device
