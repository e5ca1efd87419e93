#include "ddls/labels.hpp"

#include <ATen/ATen.h>

#include <charconv>

#include "base/error.hpp"

namespace ddls {

std::function<at::Tensor(IdRange ids)> label_rule(const std::string& rule, int64_t classes, const Noise& noise) {
  if (rule == "cycle")
    return [classes](IdRange ids) { return at::arange(ids.begin, ids.end, at::kLong).remainder(classes); };
  if (rule == "uniform")
    return [classes, noise](IdRange ids) {
      const at::Tensor u = noise.uniform(ids, 1, 0, Stream::label).squeeze(1).to(at::kDouble);
      return (u * static_cast<double>(classes)).to(at::kLong);  // u < 1 by more than 2^-24: below `classes`
    };
  int64_t fixed = -1;
  const char* end = rule.data() + rule.size();
  if (std::from_chars(rule.data(), end, fixed).ptr != end || fixed < 0 || fixed >= classes)
    fail(Exit::config, "sample.labels: expected cycle, uniform or a class below {}, got '{}'", classes, rule);
  return [fixed](IdRange ids) { return at::full({ids.size()}, fixed, at::kLong); };
}

void label_chains(Target& target, const std::string& rule, int64_t classes, const Noise& noise) {
  if (classes > 0) target.labels_of = label_rule(rule, classes, noise);
}

}  // namespace ddls
