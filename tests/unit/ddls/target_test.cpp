#include "ddls/target.hpp"

#include <gtest/gtest.h>
#include <ATen/ATen.h>

#include "config/config.hpp"
#include "models/factory.hpp"
#include "models/network.hpp"
#include "tensor/noise.hpp"
#include "unit/models/network_case.hpp"
#include "unit/models/made_network.hpp"

namespace ddls::sampling::target_test {
namespace {

std::vector<test::NetworkCase> cases() { return {test::small_mlp(32), test::small_dcgan(16, 8, 28)}; }

TEST(Target, EnergyIsMinusLogPriorMinusLogit) {
  for (const test::NetworkCase& c : cases()) {
    const models::NetworkPtr g = test::make_network(c.model, models::Role::generator, c.shape, 1),
                             r = test::make_network(c.model, models::Role::ratio, c.shape, 1);
    const Target target = make_target(g, r, c.model.latent_dim, test::device());
    const at::Tensor z = tensor::Noise{3}.normal({0, 7}, c.model.latent_dim, 0, Stream::prior, test::device());
    const Evaluation e = target.evaluate(z);
    at::NoGradGuard no_grad;
    EXPECT_TRUE(at::allclose(energy(e), 0.5 * z.square().sum(1) - r->forward(g->forward(z)), 1e-5, 1e-6)) << c.name;
    // What is decoded is what was scored.
    EXPECT_TRUE(at::allclose(r->forward(target.decode(z)), e.log_ratio, 1e-5, 1e-6)) << c.name;
    EXPECT_TRUE(at::equal(target.log_ratio(z), e.log_ratio)) << c.name;
  }
}

TEST(Target, NothingButZGetsAGradientAndNothingMoves) {
  for (const test::NetworkCase& c : cases()) {
    const models::NetworkPtr g = test::make_network(c.model, models::Role::generator, c.shape, 1),
                             r = test::make_network(c.model, models::Role::ratio, c.shape, 1);
    const Target target = make_target(g, r, c.model.latent_dim, test::device());
    const at::Tensor z = tensor::Noise{3}.normal({0, 4}, c.model.latent_dim, 0, Stream::prior, test::device());
    const Evaluation first = target.evaluate(z);
    for (int i = 0; i < 20; ++i) target.evaluate(z + i);
    EXPECT_TRUE(at::equal(target.evaluate(z).log_ratio, first.log_ratio)) << c.name;
    for (const models::NetworkPtr& network : {g, r}) {
      EXPECT_FALSE(network->is_training());
      for (const at::Tensor& p : network->parameters()) EXPECT_FALSE(p.grad().defined()) << c.name;
    }
    // A chain's energy does not depend on its batch-mates' values.
    at::Tensor other = z.clone();
    other.narrow(0, 1, 3) += 1;
    EXPECT_TRUE(at::equal(target.evaluate(other).log_ratio[0], first.log_ratio[0])) << c.name;
  }
}

}  // namespace
}  // namespace ddls::sampling::target_test
