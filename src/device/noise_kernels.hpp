#pragma once
// What cuda_bridge.cpp launches; errors are those of the launch, to be asked for by cudaGetLastError.
#include <cuda_runtime_api.h>

#include "device/cuda_bridge.hpp"

namespace ddls::cuda {

void launch_uniform(const NoiseRows& rows, float* out, cudaStream_t stream);
void launch_normal(const NoiseRows& rows, float* out, cudaStream_t stream);
void launch_langevin_move(const NoiseRows& rows, const float* z, const float* slope, float half_step, float noise_scale,
                          float* out, cudaStream_t stream);

}  // namespace ddls::cuda
