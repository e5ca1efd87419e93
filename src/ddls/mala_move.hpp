#pragma once
// One Metropolis-adjusted Langevin move on p0 e^{b r} at T = 1, with a = eps/2, s = sqrt(eps):
//   z' = z - a g + s n,
//   log A = E(z) - E(z') + (a/s) n.(g + g') - (a^2 / 2 s^2) |g + g'|^2,
// else the state is z again. One new gradient, at z'. Shared by all methods that mix MALA with other moves.
#include "ddls/chains.hpp"

namespace ddls::sampling {

// Moves z and now of `chains`; n: [n, k] normals, u: [n] uniforms. Returns the acceptance probabilities.
at::Tensor mala_move(Chains& chains, double eps, double inverse_temperature, const at::Tensor& n, const at::Tensor& u,
                     const Target& target);

}  // namespace ddls::sampling
