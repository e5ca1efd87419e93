#include "device/noise_kernels.hpp"

#include <cuda_runtime_api.h>

#include <limits>
#include <map>
#include <memory>
#include <mutex>

#include "base/error.hpp"
#include "base/log.hpp"
#include "device/cuda_bridge.hpp"
#include "device/cuda_check.hpp"
#include "device/kernel_compiler.hpp"

namespace ddls::device {
namespace {

// Of the runtime's "libraries", which belong to no context: every device of one kind uses the same.
struct Kernels {
  std::string target, code;
  cudaLibrary_t library = nullptr;
  cudaKernel_t uniform = nullptr, normal = nullptr, move = nullptr;
};

std::shared_ptr<const Kernels> load(int capability) {
  KernelCode compiled = compile_kernels(capability);
  const auto kernels = std::make_shared<Kernels>();
  kernels->target = std::move(compiled.target);
  kernels->code = std::move(compiled.code);
  DDLS_CUDA(cudaLibraryLoadData(&kernels->library, kernels->code.data(), nullptr, nullptr, 0, nullptr, nullptr, 0));
  DDLS_CUDA(cudaLibraryGetKernel(&kernels->uniform, kernels->library, "ddls_fill_uniform"));
  DDLS_CUDA(cudaLibraryGetKernel(&kernels->normal, kernels->library, "ddls_fill_normal"));
  DDLS_CUDA(cudaLibraryGetKernel(&kernels->move, kernels->library, "ddls_langevin_move"));
  log::debug("kernels for {} compiled by NVRTC {}", kernels->target, nvrtc_version());
  return kernels;
}

// Never unloaded: when the program ends the driver may be gone before its static objects.
const Kernels& kernels_of(int device) {
  static std::mutex mutex;
  static auto& by_device = *new std::map<int, std::shared_ptr<const Kernels>>();
  static auto& by_capability = *new std::map<int, std::shared_ptr<const Kernels>>();
  const std::scoped_lock lock(mutex);
  std::shared_ptr<const Kernels>& mine = by_device[device];
  if (!mine) {
    const int capability = compute_capability(device);
    std::shared_ptr<const Kernels>& shared = by_capability[capability];
    if (!shared) shared = load(capability);
    mine = shared;
  }
  return *mine;
}

const Kernels& kernels_here() {
  int device = 0;
  DDLS_CUDA(cudaGetDevice(&device));
  return kernels_of(device);
}

template <typename... Arguments>
void launch(cudaKernel_t kernel, const NoiseRows& noise, void* stream, Arguments... more) {
  KernelRows rows{noise.seed, noise.ids.begin, noise.ids.size(), noise.dim, noise.step, noise.stream};
  const int64_t blocks = blocks_of(rows);
  if (blocks == 0) return;
  ensure(blocks <= std::numeric_limits<int>::max(), "noise for {} x {} numbers in one launch", rows.count, rows.dim);
  void* arguments[] = {&rows, &more...};
  DDLS_CUDA(cudaLaunchKernel(kernel, dim3(static_cast<unsigned>(blocks)), dim3(threads_per_block), arguments, 0,
                             static_cast<cudaStream_t>(stream)));
}

}  // namespace

std::string prepare_kernels(int device) {
  return fmt::format("{} by NVRTC {}", kernels_of(device).target, nvrtc_version());
}

std::string try_kernels() {
  compile_kernels(90);
  return "NVRTC " + nvrtc_version();
}

void fill_uniform(const NoiseRows& rows, float* out, void* stream) {
  launch(kernels_here().uniform, rows, stream, out);
}

void fill_normal(const NoiseRows& rows, float* out, void* stream) { launch(kernels_here().normal, rows, stream, out); }

void langevin_move(const NoiseRows& rows, const float* z, const float* slope, float half_step, float noise_scale,
                   float* out, void* stream) {
  launch(kernels_here().move, rows, stream, z, slope, half_step, noise_scale, out);
}

}  // namespace ddls::device
