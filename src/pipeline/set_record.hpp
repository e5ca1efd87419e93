#pragma once
// What records say of a set of samples: what is known without decoding it.

#include "base/json.hpp"
#include "data/dataset.hpp"

namespace ddls::pipeline {

// {"files": N, "image_formats": {"webp": 10}, "hidden_images": 2, ...}: reasons that did not occur are left out.
Json record_of(const data::LeftOut& left_out);

// {"classes": C, "with_samples": M, "counts": {NAME: N}}; null without labels. Names are numbers where classes have
// none.
Json class_record(const at::Tensor& labels, const std::vector<std::string>& names);

// Of report.json: name, count, shape of a sample, classes, what was left out, and the damaged images met so far. Sizes,
// formats and duplicates of all images need each decoded: `ddls_dist inspect` does that.
Json summary_of(const data::Dataset& set);

// Logs what was left out of a set, and that it has labels which cannot be used. On one rank.
void tell_of_set(const std::string& name, int64_t count, const data::LeftOut& left_out, const std::string& unlabelled);

}  // namespace ddls::pipeline
