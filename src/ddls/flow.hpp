#pragma once
// RealNVP (Dinh, Sohl-Dickstein & Bengio, ICLR 2017): a density on R^k that can be drawn from and evaluated. Its affine
// couplings are
//   y = m x + (1 - m) (x e^{s(m x, label)} + t(m x, label)),  s = 2 tanh(.)
// with masks m that come in complementary pairs, each pair a random half of the coordinates. Everything float64. The
// parameters are one flat vector that the caller holds: a leaf where gradients are wanted.
#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>

#include <cstdint>
#include <vector>

namespace ddls::sampling {

struct FlowShape {
  int64_t dim = 1;
  int64_t couplings = 6;
  int64_t width = 64;   // of the two hidden layers of a coupling's network
  int64_t classes = 0;  // labels 0 .. classes - 1 condition the couplings, a label beyond is none; 0: unconditional
};

class RealNvp {
 public:
  struct Mapped {
    at::Tensor to;       // [n, k]
    at::Tensor log_det;  // [n] log |d to / d from|
  };

  // Masks and the initial weights are functions of `seed`.
  RealNvp(const FlowShape& shape, uint64_t seed, c10::Device device = c10::DeviceType::CPU);

  at::Tensor initial() const;  // [parameters] of the identity
  int64_t parameters() const { return parameters_; }

  // x, z: [n, k] of any type. `labels`: [n] int64, or undefined.
  Mapped forward(const at::Tensor& parameters, const at::Tensor& x, const at::Tensor& labels = {}) const;
  Mapped inverse(const at::Tensor& parameters, const at::Tensor& z, const at::Tensor& labels = {}) const;
  // [n]: log of the density of forward(n), n ~ N(0, I), at z, without -k log(2 pi) / 2.
  at::Tensor log_density(const at::Tensor& parameters, const at::Tensor& z, const at::Tensor& labels = {}) const;

 private:
  struct ScaleShift {
    at::Tensor log_scale, shift;  // [n, k], 0 where the mask is 1
  };
  ScaleShift coupling(const at::Tensor& parameters, int64_t index, const at::Tensor& x, const at::Tensor& labels) const;

  FlowShape shape_;
  uint64_t seed_;
  at::Tensor masks_;  // [couplings, k]
  int64_t per_coupling_, parameters_;
};

}  // namespace ddls::sampling
