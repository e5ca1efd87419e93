#pragma once
// Which classes a conditional model is asked for, and the class of each chain as a function of its id.
#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>

#include <functional>
#include <string>
#include <vector>

#include "ddls/target.hpp"
#include "tensor/noise.hpp"

namespace ddls::sampling {

// The classes that are drawn: all that the model has, or those that it has seen samples of. Every draw of a class, of
// training and of sampling, is one of the two here.
class DrawnClasses {
 public:
  // `of_model`: the classes are 0, ..., of_model - 1; 0: an unconditional model. `seen`: ascending; empty: all.
  DrawnClasses(int64_t of_model = 0, std::vector<int64_t> seen = {});

  int64_t of_model() const { return of_model_; }
  bool conditional() const { return of_model_ > 0; }
  bool all() const { return seen_.empty(); }
  bool contains(int64_t label) const;
  std::vector<int64_t> left_out() const;                      // ascending
  const std::vector<int64_t>& seen() const { return seen_; }  // empty where `all`

  // The same, for draws on that device, which then need nothing of the host.
  DrawnClasses on(c10::Device device) const;

  // [n] int64 on the CPU. One after the other: id modulo their number.
  at::Tensor in_turn(IdRange ids) const;
  // [n] int64, uniform, of u in [0, 1), [n] of a floating-point type, on its device.
  at::Tensor drawn_by(const at::Tensor& u) const;

 private:
  at::Tensor classes_at(const at::Tensor& places) const;
  int64_t count() const { return all() ? of_model_ : static_cast<int64_t>(seen_.size()); }

  int64_t of_model_;
  std::vector<int64_t> seen_;
  at::Tensor table_;  // seen_
};

// `rule` is sample.labels. "cycle": in turn; "uniform": drawn; a number: that class. Gives [n] int64 on the CPU. Throws
// Error(config): not one of these, or a class that is not among `classes`.
std::function<at::Tensor(IdRange ids)> label_rule(const std::string& rule, const DrawnClasses& classes,
                                                  const tensor::Noise& noise);

// Gives the chains of a conditional target their classes; does nothing for an unconditional model.
void label_chains(Target& target, const std::string& rule, const DrawnClasses& classes, const tensor::Noise& noise);

}  // namespace ddls::sampling
