#pragma once
// Maximum-likelihood refinement of the density ratio. A ratio fitted by classification is accurate where the two
// densities differ per sample, but can leave p_g e^r with the wrong mass over classes or modes. Here r follows the
// likelihood gradient of that density itself, E_data[grad r] - E_{p_g e^r}[grad r] (Che et al. 2020, section 3;
// docs/algorithm.md, equations 8 to 10), with the generator frozen and persistent chains z ~ p0(z) e^{r(G(z))}.
//
// Where p_g covers p_data well (2-D points), no chains are needed: with chain_steps 0 the loss is E_{p_g}[e^r] -
// E_data[r], whose gradient is the same with prior draws weighted by e^r, and whose optimum is the log-ratio itself
// (Nguyen, Wainwright, Jordan 2010). Chains have less variance where weights would be dominated by a few draws
// (images).
#include "train/gan_training.hpp"

namespace ddls::train {

// **Collective.** Returns the refined network in eval mode (`ratio` itself is not changed). Checkpoints are folders
// refined-NNNNNNNN; chains are part of them.
models::NetworkPtr refine_ratio(const TrainContext& context, const models::NetworkPtr& generator,
                                const models::NetworkPtr& ratio);

}  // namespace ddls::train
