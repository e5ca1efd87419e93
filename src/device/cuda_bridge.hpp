#pragma once
// The few things this program asks of CUDA besides tensors. The files of this folder are the only ones that include
// c10/cuda or the CUDA runtime, besides those of NCCL. They are built where LibTorch has CUDA; cuda_bridge_none.cpp
// answers elsewhere, and where DDLS_CUDA=OFF: then tensors on a GPU still work, but collectives go through host memory,
// noise is made on the host, and there are no graphs.
#include <cstdint>
#include <string>

#include "base/blocks.hpp"
#include "base/counter_noise.hpp"

namespace ddls::device {

struct Devices {
  int count = 0;
  std::string problem;  // why there is none, in the driver's words; empty where there is nothing to say
  bool failed = false;  // there is none for another reason than that there is no driver, or no GPU that it shows
};

Devices devices();                          // visible to this process
std::string device_name(int device);        // "NVIDIA H200"
std::string device_pci_bus_id(int device);  // "0000:1B:00.0": tells whether two ranks share a GPU; empty if unknown
int compute_capability(int device);         // 90 is 9.0; 0 if unknown
void set_device(int device);                // for the calling thread
void synchronize(int device);               // waits until it has run all that was launched
bool built_with_cuda();                     // the functions below, NCCL and CudaGraph exist

// The stream that Torch launches on in the calling thread: a cudaStream_t.
void* current_stream(int device);

// Compiles the kernels for this device, if that has not been done: "sm_90 by NVRTC 13.0". Whoever launches them needs
// no call of it. Error(runtime) where it cannot be done.
std::string prepare_kernels(int device);
std::string try_kernels();  // compiles them for a GPU that need not be here: "NVRTC 13.0"; Error(runtime) likewise

// Kernels of noise_kernels.cu, launched on `stream` (see current_stream), whose end nobody waits for. Pointers: dense
// float32 of the stream's device. A failed launch is an Error(runtime); the first one
// compiles them.
struct NoiseRows {
  uint64_t seed = 0;
  IdRange ids;
  int64_t dim = 0, step = 0;
  Stream stream = Stream::langevin;
};
// out [ids.size(), dim]: what Noise gives on the CPU; uniforms the same bits, normals to the rounding of log, cos and
// sin.
void fill_uniform(const NoiseRows& rows, float* out, void* stream);
void fill_normal(const NoiseRows& rows, float* out, void* stream);
// out = z - (z - slope) * half_step + n * noise_scale with n ~ N(0, I) as fill_normal makes it; all [ids.size(), dim].
void langevin_move(const NoiseRows& rows, const float* z, const float* slope, float half_step, float noise_scale,
                   float* out, void* stream);

}  // namespace ddls::device
