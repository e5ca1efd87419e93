#pragma once
// Maximum-likelihood refinement of the density ratio. A ratio fitted by classification is accurate where the two densities
// differ per sample, but can leave p_g e^r with the wrong mass over classes or modes. Here r follows the likelihood
// gradient of that density itself, E_data[grad r] - E_{p_g e^r}[grad r] (Che et al. 2020, section 3; algorithm.md, section 5,
// mode `ebm`), with the generator frozen and persistent chains z ~ p0(z) e^{r(G(z))}.
#include "train/gan_training.hpp"

namespace ddls {

// **Collective.** Returns the refined network in eval mode (`ratio` itself is not changed). Checkpoints are folders
// refined-NNNNNNNN; chains are part of them.
NetworkPtr refine_ratio(const TrainContext& context, const NetworkPtr& generator, const NetworkPtr& ratio);

}  // namespace ddls
