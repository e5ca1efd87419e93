// The kernels of GPUs, run on the CPU: every thread of every block in turn, then compared with the CPU's noise.
#include "device/noise_kernels.hpp"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "tensor/noise.hpp"

namespace {
struct Index {
  unsigned x = 0;
};
Index blockIdx, threadIdx;
}  // namespace

#define __global__
#define __device__
#include "device/noise_kernels.cu"
#undef __global__
#undef __device__

namespace ddls::tensor::noise_kernels_test {
namespace {

constexpr float untouched = -77;

// Some columns more than there are, to see that none is written beyond.
std::vector<float> room_for(const device::KernelRows& rows) {
  return std::vector<float>(static_cast<size_t>(rows.count * rows.dim + 8), untouched);
}

template <typename Kernel>
at::Tensor run(const device::KernelRows& rows, const Kernel& kernel) {
  std::vector<float> out = room_for(rows);
  for (blockIdx.x = 0; blockIdx.x < device::blocks_of(rows); ++blockIdx.x)
    for (threadIdx.x = 0; threadIdx.x < device::threads_per_block; ++threadIdx.x) kernel(out.data());
  for (size_t i = out.size() - 8; i < out.size(); ++i) EXPECT_EQ(out[i], untouched) << i;
  return at::tensor(out).narrow(0, 0, rows.count * rows.dim).view({rows.count, rows.dim}).clone();
}

TEST(NoiseKernels, GiveTheNoiseOfTheCpu) {
  const Noise noise{0x123456789ABCDEFULL};
  for (const int64_t dim : {1, 2, 5, 128})
    for (const int64_t count : {1, 3, 43}) {
      const IdRange ids{(int64_t{1} << 32) - 2, (int64_t{1} << 32) - 2 + count};
      const int64_t step = (int64_t{1} << 33) + 7;
      device::KernelRows rows{noise.seed, ids.begin, count, dim, step, Stream::accept};
      EXPECT_TRUE(at::equal(run(rows, [&](float* out) { ddls_fill_uniform(rows, out); }),
                            noise.uniform(ids, dim, step, Stream::accept)))
          << count << " x " << dim;
      rows.stream = Stream::langevin;
      EXPECT_TRUE(at::equal(run(rows, [&](float* out) { ddls_fill_normal(rows, out); }),
                            noise.normal(ids, dim, step, Stream::langevin)))
          << count << " x " << dim;
      const at::Tensor z = noise.normal(ids, dim, 1, Stream::prior), slope = noise.normal(ids, dim, 2, Stream::prior);
      const double eps = 0.02, noise_std = 0.7;
      const at::Tensor moved = run(rows, [&](float* out) {
        ddls_langevin_move(rows, z.data_ptr<float>(), slope.data_ptr<float>(), static_cast<float>(eps / 2),
                           static_cast<float>(noise_std * std::sqrt(eps)), out);
      });
      const at::Tensor wanted = noise.langevin_move(z, slope, eps, noise_std, ids, step, Stream::langevin);
      EXPECT_LE((moved - wanted).abs().max().item<double>(), 1e-6) << count << " x " << dim;
    }
}

TEST(NoiseKernels, LaunchEnoughThreadsAndNoBlockTooMany) {
  for (const int64_t dim : {1, 4, 5, 1023, 1024, 1025})
    for (const int64_t count : {0, 1, 255, 256, 257}) {
      const device::KernelRows rows{0, 0, count, dim, 0, Stream::prior};
      const int64_t threads = device::blocks_of(rows) * device::threads_per_block, wanted = count * ((dim + 3) / 4);
      EXPECT_GE(threads, wanted);
      EXPECT_LT(threads - wanted, device::threads_per_block);
    }
}

}  // namespace
}  // namespace ddls::tensor::noise_kernels_test
