// Noise on a GPU: one thread makes the four columns that share a call of Philox.
#include <cuda_runtime_api.h>

#include "device/cuda_bridge.hpp"
#include "device/cuda_check.hpp"

namespace ddls::device {
namespace {

constexpr int threads = 256;

struct Store {
  float* out;
  __device__ void operator()(int64_t at, float noise) const { out[at] = noise; }
};

struct Move {
  const float* z;
  const float* slope;
  float half_step, noise_scale;
  float* out;
  __device__ void operator()(int64_t at, float noise) const {
    out[at] = z[at] - (z[at] - slope[at]) * half_step + noise * noise_scale;
  }
};

template <typename Law, typename Use>
__global__ void for_noise(NoiseRows rows, int64_t groups, Law law, Use use) {
  const int64_t thread = static_cast<int64_t>(blockIdx.x) * threads + threadIdx.x;
  const int64_t row = thread / groups, group = thread % groups;
  if (row >= rows.ids.end - rows.ids.begin) return;
  float values[4];
  law(noise_words(rows.seed, rows.stream, rows.ids.begin + row, rows.step, group), values);
  for (int i = 0; i < 4 && 4 * group + i < rows.dim; ++i) use(row * rows.dim + 4 * group + i, values[i]);
}

template <typename Law, typename Use>
void launch(const NoiseRows& rows, Law law, Use use, void* stream) {
  const int64_t groups = (rows.dim + 3) / 4, blocks = (rows.ids.size() * groups + threads - 1) / threads;
  if (blocks == 0) return;
  for_noise<<<static_cast<unsigned>(blocks), threads, 0, static_cast<cudaStream_t>(stream)>>>(rows, groups, law, use);
  DDLS_CUDA(cudaGetLastError());
}

}  // namespace

void fill_uniform(const NoiseRows& rows, float* out, void* stream) { launch(rows, Uniforms{}, Store{out}, stream); }

void fill_normal(const NoiseRows& rows, float* out, void* stream) { launch(rows, Normals{}, Store{out}, stream); }

void langevin_move(const NoiseRows& rows, const float* z, const float* slope, float half_step, float noise_scale,
                   float* out, void* stream) {
  launch(rows, Normals{}, Move{z, slope, half_step, noise_scale, out}, stream);
}

}  // namespace ddls::device
