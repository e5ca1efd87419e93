#pragma once
// What a discriminator says of reals that training never saw and of as many fakes: the data of a calibration.
#include <functional>

#include "config/config.hpp"
#include "data/dataset.hpp"
#include "ddls/target.hpp"
#include "dist/communicator.hpp"

namespace ddls {

struct RealsAndFakes {
  at::Tensor real, fake;  // [held out, c] CPU, on rank 0; undefined on the others
};
using Measure =
    std::function<at::Tensor(const at::Tensor& samples, const at::Tensor& labels)>;  // [n, c], must not communicate

// **Collective.** The reals as training sees its own, in a random order; fakes decoded from prior draws, with the labels of
// the reals. Whole blocks go to ranks, and everything is keyed by position, so the result is the same at any rank count.
// `as_trained`: reals are mirrored and dequantised as data.flip and data.dequantise say.
RealsAndFakes measure_held_out(const Measure& measure, const Target& target, const Dataset& held_out,
                               const Config& config, bool as_trained, Communicator& comm);

}  // namespace ddls
