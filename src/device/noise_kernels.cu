// Noise on a GPU. Compiled on the machine that has one, when it is first asked for (kernel_compiler.hpp): this text and
// that of the headers it includes travel in the program. A test runs it on the CPU, thread after thread.
#include "device/noise_kernels.hpp"

namespace ddls::device {

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
__device__ void for_noise(const KernelRows& rows, Law law, Use use) {
  const int64_t groups = groups_of(rows);
  const int64_t thread = static_cast<int64_t>(blockIdx.x) * threads_per_block + threadIdx.x;
  const int64_t row = thread / groups, group = thread % groups;
  if (row >= rows.count) return;
  float values[4];
  law(noise_words(rows.seed, rows.stream, rows.first + row, rows.step, group), values);
  for (int i = 0; i < 4 && 4 * group + i < rows.dim; ++i) use(row * rows.dim + 4 * group + i, values[i]);
}

}  // namespace ddls::device

extern "C" __global__ void ddls_fill_uniform(ddls::device::KernelRows rows, float* out) {
  ddls::device::for_noise(rows, ddls::Uniforms{}, ddls::device::Store{out});
}

extern "C" __global__ void ddls_fill_normal(ddls::device::KernelRows rows, float* out) {
  ddls::device::for_noise(rows, ddls::Normals{}, ddls::device::Store{out});
}

extern "C" __global__ void ddls_langevin_move(ddls::device::KernelRows rows, const float* z, const float* slope,
                                              float half_step, float noise_scale, float* out) {
  ddls::device::for_noise(rows, ddls::Normals{}, ddls::device::Move{z, slope, half_step, noise_scale, out});
}
