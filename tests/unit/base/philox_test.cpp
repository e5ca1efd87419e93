#include "base/philox.hpp"

#include <gtest/gtest.h>

#include "base/counter_noise.hpp"
#include "base/purpose.hpp"

namespace ddls::philox_test {
namespace {

// The known answers that come with the authors' own library (Random123).
TEST(Philox, KnownAnswers) {
  EXPECT_EQ(philox4x32({0, 0, 0, 0}, {0, 0}), (PhiloxCounter{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  EXPECT_EQ(philox4x32({0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff}, {0xffffffff, 0xffffffff}),
            (PhiloxCounter{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_EQ(philox4x32({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}),
            (PhiloxCounter{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

TEST(Philox, IsAConstantExpression) {
  static_assert(philox4x32({0, 0, 0, 0}, {0, 0})[0] == 0x6627e8d5);
  static_assert(philox4x32({1, 0, 0, 0}, {0, 0}) != philox4x32({0, 0, 0, 0}, {1, 0}));
}

// Runs of earlier versions go on with the noise that they began with.
TEST(Philox, StreamsKeepTheirNumbers) {
  const std::vector<std::pair<Stream, uint32_t>> numbers{
      {Stream::prior, 0},
      {Stream::langevin, 1},
      {Stream::accept, 2},
      {Stream::train_latent_d, 3},
      {Stream::train_latent_g, 4},
      {Stream::ratio_latent, 5},
      {Stream::instance_noise_real, 6},
      {Stream::instance_noise_fake, 7},
      {Stream::data_toy, 8},
      {Stream::data_order, 9},
      {Stream::statistics, 10},
      {Stream::init, 11},
      {Stream::interpolation, 12},
      {Stream::refresh, 13},
      {Stream::momentum, 14},
      {Stream::jitter, 15},
      {Stream::proposal, 16},
      {Stream::choice, 17},
      {Stream::swap, 18},
      {Stream::label, 19},
      {Stream::pilot, 20},
      {Stream::projection, 21},
      {Stream::start, 22},
      {Stream::dropout, 23},
      {Stream::calibration, 24},
      {Stream::worth, 25},
      {Stream::pool_start, 26},
  };
  for (const auto& [stream, number] : numbers) EXPECT_EQ(static_cast<uint32_t>(stream), number);
}

TEST(Purpose, KeepsItsWords) {
  const std::vector<std::pair<Purpose, uint64_t>> words{
      {Purpose::labels, 0x6C6162656C},          {Purpose::generator_step, 0x67656E},
      {Purpose::ratio_dropout, 0x726174696F},   {Purpose::refine_chains, 0x726566696E65},
      {Purpose::training_chains, 0x747261696E}, {Purpose::pilots, 0x70696C6F74},
      {Purpose::flow_fit, 0x666C6F77},          {Purpose::random_filters, 0x636F6E76},
      {Purpose::cluster_seeds, 0x636C7573},     {Purpose::projections, 0x70726F6A656374},
      {Purpose::network_probe, 0x747279},       {Purpose::extractor_probe, 0x65787472},
  };
  for (const auto& [purpose, word] : words) EXPECT_EQ(derive(5, purpose), 5 ^ word);
  const Pass passes[] = {Pass::gan, Pass::ratio, Pass::evaluation_classifier, Pass::refine, Pass::feature_classifier};
  for (uint64_t i = 0; i < std::size(passes); ++i) EXPECT_EQ(derive(5, passes[i]), 5 + i);
}

}  // namespace
}  // namespace ddls::philox_test
