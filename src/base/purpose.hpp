#pragma once
// One seed, many uses: what is drawn for one purpose shares nothing with what is drawn for another. Part of the bytes
// of every run: a word is never changed or used again (test Purpose.KeepsItsWords).
#include <cstdint>

namespace ddls {

enum class Purpose : uint64_t {
  labels = 0x6C6162656C,           // classes of latents, beside the latents
  generator_step = 0x67656E,       // the discriminator's dropout in the generator's update
  ratio_dropout = 0x726174696F,    // in the fit of the ratio
  refine_chains = 0x726566696E65,  // persistent chains of train.ratio.refine
  training_chains = 0x747261696E,  // chains of train.ddls
  pilots = 0x70696C6F74,           // draws that a method calibrates itself on
  flow_fit = 0x666C6F77,           // training of a flow proposal
  random_filters = 0x636F6E76,     // features of a tilt
  cluster_seeds = 0x636C7573,      // and where its clusters begin
  // Of no run's seed: the same for all.
  projections = 0x70726F6A656374,  // directions along which diagnostics follow chains
  network_probe = 0x747279,        // latents that a pretrained GAN is tried on
  extractor_probe = 0x65787472,    // images that an extractor is tried on
};

constexpr uint64_t derive(uint64_t seed, Purpose purpose) { return seed ^ static_cast<uint64_t>(purpose); }

// Passes over the training set, each in an order of its own.
enum class Pass : uint64_t { gan = 0, ratio = 1, evaluation_classifier = 2, refine = 3, feature_classifier = 4 };

constexpr uint64_t derive(uint64_t seed, Pass pass) { return seed + static_cast<uint64_t>(pass); }

}  // namespace ddls
