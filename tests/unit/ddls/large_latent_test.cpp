// Latents of one-step generators have 3072 dimensions and more (3 x 32 x 32). The kernels that docs/pretrained.md names
// for them, on a tilt of N(0, I) by a ratio that is linear and quadratic in all of them.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>

#include "ddls/registry.hpp"
#include "unit/ddls/gaussian_target.hpp"
#include "unit/ddls/sample_config.hpp"

namespace ddls::sampling::large_latent_test {
namespace {

constexpr int64_t k = 3072, chains = 60;
constexpr double pull = 0.1, push = 2;  // r = push u.z - pull |z|^2 / 2, u a unit vector

at::Tensor direction() {
  const at::Tensor u = at::ones({k}, at::kFloat);
  u.narrow(0, 0, k / 2).fill_(-1);
  return u / std::sqrt(static_cast<double>(k));
}

// Of the law N(push u / (1 + pull), I / (1 + pull)).
constexpr double along = push / (1 + pull), square = 1 / (1 + pull) + along * along / k;

Target tilted() {
  Target target;
  target.latent_dim = k;
  target.decode_by = [](const at::Tensor& z, const at::Tensor&) { return z; };
  target.evaluate_by = [u = direction()](const at::Tensor& z, const at::Tensor&) {
    const at::Tensor size = z.square().sum(1);
    return Evaluation{-0.5 * size, (z * u).sum(1) * push - 0.5 * pull * size, u * push - z * pull};
  };
  return target;
}

void expect_law_of(const std::vector<std::string>& options, const std::string& name) {
  SCOPED_TRACE(options.front());
  const tensor::Noise noise{81};
  const Target target = tilted();
  const at::Tensor z = run_chains(make_method(name, test::sample_config(options), target, noise), target, noise, chains)
                           .z.to(at::kDouble);
  EXPECT_NEAR(z.square().mean().item<double>(), square, 5 * std::sqrt(2.0 / (k * chains)) * square);
  const at::Tensor u = direction().to(at::kDouble), projected = at::mv(z, u);
  EXPECT_NEAR(projected.mean().item<double>(), along, 5 / std::sqrt((1 + pull) * chains));
  EXPECT_NEAR(projected.var().item<double>(), 1 / (1 + pull), 5 * std::sqrt(2.0 / chains));
  const at::Tensor across = z.mean(0) - u * projected.mean();
  EXPECT_NEAR(across.square().sum().item<double>(), k / (1 + pull) / chains, 0.15 * k / chains);
}

TEST(LargeLatent, PreconditionedCrankNicolson) {
  expect_law_of({"pcn.steps=500", "pcn.step_size=0.15", "pcn.adapt=false"}, "pcn");
}

TEST(LargeLatent, PreconditionedLangevin) {
  expect_law_of({"pcn.steps=60", "pcn.step_size=0.6", "pcn.adapt=false", "pcn.gradient=true"}, "pcn");
}

TEST(LargeLatent, EllipticalSlice) { expect_law_of({"elliptical_slice.steps=120"}, "elliptical_slice"); }

}  // namespace
}  // namespace ddls::sampling::large_latent_test
