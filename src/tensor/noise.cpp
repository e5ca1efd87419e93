#include "tensor/noise.hpp"

#include <ATen/ATen.h>
#include <c10/core/DeviceGuard.h>

#include <cmath>

#include "device/cuda_bridge.hpp"

namespace ddls::tensor {
namespace {

at::Tensor empty_rows(const device::NoiseRows& rows, c10::Device device) {
  return at::empty({rows.ids.size(), rows.dim}, at::TensorOptions(device).dtype(at::kFloat));
}

template <typename Law>
at::Tensor on_cpu(const device::NoiseRows& rows, Law law) {
  at::Tensor out = empty_rows(rows, at::kCPU);
  float* row = out.data_ptr<float>();
  for (int64_t id = rows.ids.begin; id < rows.ids.end; ++id, row += rows.dim) {
    for (int64_t column = 0; column < rows.dim; column += 4) {
      float values[4];
      law(noise_words(rows.seed, rows.stream, id, rows.step, column / 4), values);
      for (int64_t i = 0; i < 4 && column + i < rows.dim; ++i) row[column + i] = values[i];
    }
  }
  return out;
}

bool kernel_for(c10::Device device) { return !device.is_cpu() && device::built_with_cuda(); }

using Fill = void(const device::NoiseRows& rows, float* out, void* stream);

template <typename Law>
at::Tensor draw(const device::NoiseRows& rows, c10::Device device, Law law, Fill& fill) {
  if (!kernel_for(device)) return on_cpu(rows, law).to(device);
  const c10::DeviceGuard guard(device);  // a thread that has chosen none launches on the first GPU
  at::Tensor out = empty_rows(rows, device);
  fill(rows, out.data_ptr<float>(), device::current_stream(out.device().index()));
  return out;
}

}  // namespace

at::Tensor Noise::normal(IdRange ids, int64_t dim, int64_t step, Stream stream, c10::Device device) const {
  return draw({seed, ids, dim, step, stream}, device, Normals{}, device::fill_normal);
}

at::Tensor Noise::uniform(IdRange ids, int64_t dim, int64_t step, Stream stream, c10::Device device) const {
  return draw({seed, ids, dim, step, stream}, device, Uniforms{}, device::fill_uniform);
}

at::Tensor Noise::langevin_move(const at::Tensor& z, const at::Tensor& slope, double eps, double noise_std, IdRange ids,
                                int64_t step, Stream stream) const {
  const double noise_scale = noise_std * std::sqrt(eps);
  if (!kernel_for(z.device()) || z.scalar_type() != at::kFloat)
    return z - (z - slope) * (eps / 2) + normal(ids, z.size(1), step, stream, z.device()) * noise_scale;
  const device::NoiseRows rows{seed, ids, z.size(1), step, stream};
  const c10::DeviceGuard guard(z.device());
  const at::Tensor from = z.contiguous(), along = slope.contiguous();
  at::Tensor out = empty_rows(rows, z.device());
  device::langevin_move(rows, from.data_ptr<float>(), along.data_ptr<float>(), static_cast<float>(eps / 2),
                        static_cast<float>(noise_scale), out.data_ptr<float>(),
                        device::current_stream(out.device().index()));
  return out;
}

}  // namespace ddls::tensor
