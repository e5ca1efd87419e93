#include "tensor/noise.hpp"

#include <ATen/ATen.h>

#include <cmath>

#include "device/cuda_bridge.hpp"

namespace ddls {
namespace {

template <typename Law>
at::Tensor on_cpu(uint64_t seed, IdRange ids, int64_t dim, int64_t step, Stream stream, Law law) {
  at::Tensor out = at::empty({ids.size(), dim}, at::kFloat);
  float* row = out.data_ptr<float>();
  for (int64_t id = ids.begin; id < ids.end; ++id, row += dim) {
    for (int64_t column = 0; column < dim; column += 4) {
      float values[4];
      law(noise_words(seed, stream, id, step, column / 4), values);
      for (int64_t i = 0; i < 4 && column + i < dim; ++i) row[column + i] = values[i];
    }
  }
  return out;
}

bool kernel_for(c10::Device device) { return device.is_cuda() && cuda::built_with_toolkit(); }

at::Tensor empty_rows(const cuda::NoiseRows& rows, c10::Device device) {
  return at::empty({rows.ids.size(), rows.dim}, at::TensorOptions(device).dtype(at::kFloat));
}

}  // namespace

at::Tensor Noise::normal(IdRange ids, int64_t dim, int64_t step, Stream stream, c10::Device device) const {
  if (!kernel_for(device)) return on_cpu(seed, ids, dim, step, stream, Normals{}).to(device);
  const cuda::NoiseRows rows{seed, ids, dim, step, stream};
  at::Tensor out = empty_rows(rows, device);
  cuda::fill_normal(rows, out.data_ptr<float>(), out.device().index());
  return out;
}

at::Tensor Noise::uniform(IdRange ids, int64_t dim, int64_t step, Stream stream, c10::Device device) const {
  if (!kernel_for(device)) return on_cpu(seed, ids, dim, step, stream, Uniforms{}).to(device);
  const cuda::NoiseRows rows{seed, ids, dim, step, stream};
  at::Tensor out = empty_rows(rows, device);
  cuda::fill_uniform(rows, out.data_ptr<float>(), out.device().index());
  return out;
}

at::Tensor Noise::langevin_move(const at::Tensor& z, const at::Tensor& slope, double eps, double noise_std, IdRange ids,
                                int64_t step, Stream stream) const {
  const double noise_scale = noise_std * std::sqrt(eps);
  if (!kernel_for(z.device()) || z.scalar_type() != at::kFloat)
    return z - (z - slope) * (eps / 2) + normal(ids, z.size(1), step, stream, z.device()) * noise_scale;
  const cuda::NoiseRows rows{seed, ids, z.size(1), step, stream};
  const at::Tensor from = z.contiguous(), along = slope.contiguous();
  at::Tensor out = empty_rows(rows, z.device());
  cuda::langevin_move(rows, from.data_ptr<float>(), along.data_ptr<float>(), static_cast<float>(eps / 2),
                      static_cast<float>(noise_scale), out.data_ptr<float>(), out.device().index());
  return out;
}

}  // namespace ddls
