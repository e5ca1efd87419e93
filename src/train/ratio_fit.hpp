#pragma once
// The discriminator that DDLS uses: a network fitted by the logistic loss, generator frozen, so that its logit
// estimates log p_data - log p_generator (docs/algorithm.md, equation 7: with instance noise on reals and fakes alike a
// smoothed ratio, evaluated on clean samples; with output noise that of equation 5).
#include "train/gan_training.hpp"

namespace ddls::train {

// **Collective.** `generator` is frozen and in eval mode. Returns the fitted network in eval mode. Checkpoints are
// folders ratio-NNNNNNNN that hold the generator as it is sampled from, too.
models::NetworkPtr fit_ratio(const TrainContext& context, const models::NetworkPtr& generator);

}  // namespace ddls::train
