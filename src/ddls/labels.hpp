#pragma once
// The class of each chain of a conditional target, as a function of its id: `rule` is sample.labels.
#include <ATen/core/Tensor.h>

#include <functional>
#include <string>

#include "ddls/target.hpp"
#include "tensor/noise.hpp"

namespace ddls {

// "cycle": id modulo classes; "uniform": drawn; a number: that class. Gives [n] int64 on the CPU. Throws Error(config).
std::function<at::Tensor(IdRange ids)> label_rule(const std::string& rule, int64_t classes, const Noise& noise);

// Gives the chains of a conditional target their classes; does nothing where `classes` is 0.
void label_chains(Target& target, const std::string& rule, int64_t classes, const Noise& noise);

}  // namespace ddls
