#pragma once
// Compiles the kernels of this folder for one kind of GPU with NVRTC, which comes with LibTorch, so that neither the
// machine that builds nor the one that runs needs nvcc. NVRTC is loaded when it is first asked for. It needs no GPU.
// Exists only where the CUDA parts are built.
#include <string>
#include <vector>

namespace ddls::device {

struct KernelCode {
  std::string target;  // "sm_90"; "compute_120": PTX, for a GPU that is newer than this NVRTC
  std::string code;    // a cubin, or PTX, which the driver translates
};

// `capability` is 90 for compute capability 9.0. Takes half a second. Error(runtime) where NVRTC is missing or the GPU
// is older than all that it knows.
KernelCode compile_kernels(int capability);

std::string nvrtc_version();  // "13.0"; Error(runtime) where it cannot be loaded

// What is compiled for a GPU of this capability, when NVRTC knows `supported`; empty where the GPU is too old.
std::string kernel_target(int capability, const std::vector<int>& supported);

}  // namespace ddls::device
