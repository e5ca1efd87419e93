#pragma once
// One preconditioned Crank-Nicolson move on p0 e^{t r}, t an inverse temperature (Cotter, Roberts, Stuart & White,
// Statistical Science 2013, equations 4.7 to 4.9 and 4.11, 4.12). With a = sqrt(1 - b^2) and g = t grad r where
// `langevin` is set, else 0,
//   w' = a w + (1 - a) g + b n,
//   log A = t (r' - r) - (w' - w).(g + g')/2 + (d/4) (g' - g).(w + w' - g - g'),   d = 2 (1 - a)/(1 + a),
// else the state is w again. Without g the prior cancels: log A = t (r' - r). In Cotter's terms w' = ((2 - d) w + 2 d g
// + sqrt(8 d) n)/(2 + d): one b serves both. The acceptance does not fall with the dimension where r does not vary more
// with it.
#include "ddls/chains.hpp"

namespace ddls::sampling {

struct PcnMove {
  double size = 1;  // h > 0, b = h / sqrt(1 + h^2): any h is a valid move; h -> infinity proposes prior draws
  bool langevin = false;
  double inverse_temperature = 1;
};

// b of size h, in [0, 1], and back (b < 1).
double pcn_noise(double size);
double pcn_size(double b);

// What an adaptation aims at: `asked`, or where that is 0 what is best for such moves. A random walk is best at lower
// acceptance than a step that knows the gradient.
double pcn_acceptance(double asked, bool langevin);

// Moves z and now of `chains`; n: [n, k] normals, u: [n] uniforms. One evaluation, at w'; of the ratio alone will do
// (without_gradient) unless `langevin` is set. Returns the acceptance probabilities.
at::Tensor pcn_move(Chains& chains, const PcnMove& move, const at::Tensor& n, const at::Tensor& u,
                    const Target& target);

}  // namespace ddls::sampling
