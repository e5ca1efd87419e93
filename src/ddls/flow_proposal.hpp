#pragma once
// An amortised proposal: a flow fitted to p0 e^r, mixed with the prior, q = (1 - d) q_flow + d p0. The mixture bounds
// the weights w = p0 e^r / q by e^r / d, and whatever the fit has come to, a kernel that is corrected with w is exact.
#include "ddls/flow.hpp"
#include "ddls/pilot.hpp"

namespace ddls::sampling {

struct FlowPlan {
  int64_t couplings = 6, width = 64;
  int64_t updates = 300, batch = 256;
  double lr = 2e-3;
  bool reverse = true;   // KL(q || target): E_q[log q - log p0 - r], needs grad r
  bool forward = false;  // KL(target || q): -E_target[log q] over pilots resampled by e^r
  int64_t pilots = 10'000;
  double defensive = 0.1;  // d
};

class FlowProposal {
 public:
  FlowProposal(RealNvp flow, at::Tensor parameters, double defensive);

  // Of noise n ~ N(0, I) and u in (0, 1), by row; [n, k] float32.
  at::Tensor draw(const at::Tensor& n, const at::Tensor& u, const at::Tensor& labels) const;
  // [n] float64, of log(p0 / q) at z: what e^r is multiplied with.
  at::Tensor log_prior_over_proposal(const at::Tensor& z, const at::Tensor& labels) const;

 private:
  RealNvp flow_;
  at::Tensor parameters_;
  double defensive_;
};

struct FittedFlow {
  FlowProposal proposal;
  double prior_ess = 0;  // ess_fraction of e^r over the pilots
  double ess = 0;        // and of w over fresh draws of q
  double log_z = 0;      // log E_p0 e^r by these
};

// `target` has the gradient where `reverse` is asked for. The work is cut into blocks that ranks share; every rank
// returns the same bits, those of the first. **Collective** with `warm_up.sum`.
FittedFlow fit_flow(const FlowPlan& plan, const Target& target, const tensor::Noise& noise, const WarmUp& warm_up);

}  // namespace ddls::sampling
