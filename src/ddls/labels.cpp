#include "ddls/labels.hpp"

#include <ATen/ATen.h>

#include <algorithm>
#include <charconv>

#include "base/error.hpp"

namespace ddls::sampling {

DrawnClasses::DrawnClasses(int64_t of_model, std::vector<int64_t> seen) : of_model_(of_model), seen_(std::move(seen)) {
  ensure(std::ranges::all_of(seen_, [&](int64_t label) { return 0 <= label && label < of_model_; }),
         "a class beyond the {} of the model", of_model_);
  if (static_cast<int64_t>(seen_.size()) == of_model_) seen_.clear();
  table_ = at::tensor(seen_, at::kLong);
}

DrawnClasses DrawnClasses::on(c10::Device device) const {
  DrawnClasses there = *this;
  there.table_ = table_.to(device);
  return there;
}

bool DrawnClasses::contains(int64_t label) const {
  if (label < 0 || label >= of_model_) return false;
  return all() || std::ranges::binary_search(seen_, label);
}

std::vector<int64_t> DrawnClasses::left_out() const {
  std::vector<int64_t> out;
  for (int64_t label = 0; label < of_model_; ++label)
    if (!contains(label)) out.push_back(label);
  return out;
}

at::Tensor DrawnClasses::classes_at(const at::Tensor& places) const {
  return all() ? places : table_.to(places.device()).index_select(0, places);
}

at::Tensor DrawnClasses::in_turn(IdRange ids) const {
  return classes_at(at::arange(ids.begin, ids.end, at::kLong).remainder(count()));
}

at::Tensor DrawnClasses::drawn_by(const at::Tensor& u) const {
  const auto n = static_cast<double>(count());
  return classes_at((u * n).floor().clamp_max(n - 1).to(at::kLong));  // float32 may round u * n up to n
}

std::function<at::Tensor(IdRange ids)> label_rule(const std::string& rule, const DrawnClasses& classes,
                                                  const tensor::Noise& noise) {
  if (rule == "cycle") return [classes](IdRange ids) { return classes.in_turn(ids); };
  if (rule == "uniform")
    return [classes, noise](IdRange ids) {
      return classes.drawn_by(noise.uniform(ids, 1, 0, Stream::label).squeeze(1).to(at::kDouble));
    };
  int64_t fixed = -1;
  const char* end = rule.data() + rule.size();
  if (std::from_chars(rule.data(), end, fixed).ptr != end || fixed < 0 || fixed >= classes.of_model())
    fail(Exit::config, "sample.labels: expected cycle, uniform or a class below {}, got '{}'", classes.of_model(),
         rule);
  if (!classes.contains(fixed))
    fail(Exit::config, "sample.labels is {}, but the training data have no sample of class {}: choose another", fixed,
         fixed);
  return [fixed](IdRange ids) { return at::full({ids.size()}, fixed, at::kLong); };
}

void label_chains(Target& target, const std::string& rule, const DrawnClasses& classes, const tensor::Noise& noise) {
  if (classes.conditional()) target.labels_of = label_rule(rule, classes, noise);
}

}  // namespace ddls::sampling
