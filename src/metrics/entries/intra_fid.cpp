// Mean over the classes, which are matched by name, of the Fréchet distances between samples of one class.
#include <ATen/ATen.h>

#include "base/json.hpp"
#include "base/log.hpp"
#include "data/class_names.hpp"
#include "metrics/dealt.hpp"
#include "metrics/entry.hpp"
#include "metrics/frechet_metrics.hpp"

namespace ddls::metrics {
namespace {

// Classes with fewer than 2 samples in either set are named as left out: as numbers where both sets have plain numbers
// for classes. Warns of classes that one set alone has. Throws CollectiveError(data): no class in common.
Json intra_class_fid(dist::Communicator& comm, const SetFeatures& own, const SetFeatures& reference) {
  data::MatchedClasses matched;
  comm.together([&] {
    matched = data::match_classes({own.name, own.labels, own.class_names},
                                  {reference.name, reference.labels, reference.class_names});
  });
  if (comm.root() && !matched.remark.empty()) log::warning("intra_fid: {}", matched.remark);
  const std::vector<int64_t> classes = data::classes_with_samples(at::cat({matched.first, matched.second}));
  Json per_class = Json::object(), left_out = Json::array();
  std::vector<int64_t> compared;
  for (const int64_t label : classes) {
    const bool enough =
        (matched.first == label).sum().item<int64_t>() >= 2 && (matched.second == label).sum().item<int64_t>() >= 2;
    if (enough)
      compared.push_back(label);
    else
      left_out.push_back(matched.names.empty() ? Json(label) : Json(data::class_name(matched.names, label)));
  }
  const auto label_of = [&](int64_t i) { return compared[static_cast<size_t>(i)]; };
  const auto what = [&](int64_t i, const SetFeatures& set) {
    return fmt::format("class {} of {}", data::class_name(matched.names, label_of(i)), set.name);
  };
  const auto statistics_of = [&](int64_t i) {
    GaussianStatistics real = statistics_where(comm, reference.rows, matched.second == label_of(i), what(i, reference));
    return std::pair(std::move(real), statistics_where(comm, own.rows, matched.first == label_of(i), what(i, own)));
  };
  const std::vector<double> distances =
      dealt(comm, "FD within classes", static_cast<int64_t>(compared.size()), statistics_of,
            [&](int64_t i, const auto& statistics) {
              return distance_to(factor(statistics.first, what(i, reference)), statistics.second, what(i, own));
            });
  double sum = 0;
  for (size_t i = 0; i < compared.size(); ++i) {
    per_class[data::class_name(matched.names, compared[i])] = distances[i];
    sum += distances[i];
  }
  const auto used = static_cast<double>(per_class.size());
  Json result{{"mean", nullptr}, {"classes", per_class.size()}, {"left_out", left_out}, {"per_class", per_class}};
  if (used > 0)
    result["mean"] = sum / used;
  else
    result["why"] = "no class has 2 samples in both sets";
  return result;
}

}  // namespace

Metric intra_fid_metric() {
  return described<config::NoOptions>(
      {.name = "intra_fid",
       .summary = "Fréchet distance within classes, their mean; costs one per class",
       .keys = {{"intra_fid", "FD within classes"},
                {"intra_fid.mean", "over `classes`; null where there are none", "",
                 MetricColumn{.title = "Fréchet distance, per class",
                              .unit = "mean of classes",
                              .better = Better::lower,
                              .decimals = -4,
                              .main = true}},
                {"intra_fid.classes", "that were compared"},
                {"intra_fid.left_out",
                 "classes with fewer than two samples on a side: names, or numbers where neither set has names"},
                {.path = "intra_fid.why", .meaning = "why `mean` is null", .optional = true},
                {"intra_fid.per_class", "FD of each class, by its name"},
                {.path = "intra_fid.per_class.*", .optional = true}},
       .needs = MetricNeeds{.labels = true, .rows = all_rows_needed, .reference_rows = all_rows_needed},
       .compute =
           [](const config::NoOptions&, const MetricInputs& in) {
             return Json{{"intra_fid", intra_class_fid(in.context.comm, in.own, in.reference.set)}};
           },
       .protocol = [](const config::NoOptions&, const auto&...) { return covariance_protocol(); }});
}

}  // namespace ddls::metrics
