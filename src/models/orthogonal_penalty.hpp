#pragma once
// Orthogonal regularisation as BigGAN has it (Brock et al. 2019, equation 3): the sum over weights, as matrices W of
// [outputs, rest], of |W W^T without its diagonal|^2 (Frobenius). Norms of rows stay free. Raw weights are meant,
// before spectral norm; embeddings are left out. Multiply by the published beta, 1e-4. Call it outside
// autocast.
#include <ATen/core/Tensor.h>

#include "models/network_fwd.hpp"

namespace ddls::models {

at::Tensor orthogonal_penalty(const Network& network);  // a scalar, differentiable

}  // namespace ddls::models
