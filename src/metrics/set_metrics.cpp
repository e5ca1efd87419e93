#include "metrics/set_metrics.hpp"

#include <ATen/ATen.h>

#include <algorithm>
#include <limits>

#include "base/error.hpp"
#include "base/log.hpp"
#include "data/toy.hpp"
#include "dist/failure.hpp"
#include "metrics/modes.hpp"
#include "metrics/rounding.hpp"
#include "metrics/frechet_metrics.hpp"
#include "metrics/pair_metrics.hpp"
#include "metrics/reference_cache.hpp"

namespace ddls {
namespace {

using Json = nlohmann::ordered_json;

void refuse(Json& metrics, const std::vector<std::string>& names, const std::string& why) {
  for (const std::string& name : names) {
    metrics[name] = nullptr;
    metrics[name + "_why"] = why;
  }
}

void add_modes(Json& metrics, const at::Tensor& points) {
  const ModeMetrics m = mode_metrics(points, gaussians25_centres(), gaussians25_sd, gaussians25_scale);
  metrics["modes"] = gaussians25_centres().size(0);
  metrics["modes_recovered"] = m.modes_recovered;
  metrics["high_quality_fraction"] = m.high_quality_fraction;
  metrics["mass_total_variation_all"] = m.mass_total_variation_all;
  metrics["mass_min"] = m.mass_min;
  metrics["mass_max"] = m.mass_max;
  if (m.modes_recovered == 0)  // nothing to take a spread or shares of, and 0 would be the best of them
    return refuse(metrics, {"high_quality_std", "high_quality_radial", "mass_total_variation", "mass_chi2"},
                  "no sample is of high quality");
  metrics["high_quality_std"] = m.high_quality_std;
  metrics["high_quality_radial"] = m.high_quality_radial;
  metrics["mass_total_variation"] = m.mass_total_variation;
  metrics["mass_chi2"] = m.mass_chi2;
}

constexpr int64_t least_for_extrapolation = 20;

int64_t features_per_sample(const MetricContext& context, const EvaluationSet& set) {
  return context.extractor ? context.extractor->features : set.sample_shape.at(0);
}

// How many rows of features the metrics need beyond the sums.
int64_t rows_kept(const MetricContext& context, bool is_reference) {
  const bool parts = !is_reference && (context.wants("fid_infinity") || context.wants("fid_error"));
  if (context.wants("kid") || context.wants("intra_fid") || parts) return std::numeric_limits<int64_t>::max();
  return context.wants("prdc") ? context.config.prdc.count : 0;
}

// A set of which only the sums are known. Those of a file may be of an unknown count.
SetFeatures with_statistics(const EvaluationSet& set, const GaussianStatistics& statistics) {
  SetFeatures features;
  features.name = set.name;
  features.count = set.statistics ? statistics.count : set.count;
  features.labels = set.labels;
  features.class_names = set.class_names;
  features.gaussian = statistics;
  return features;
}

// Of a file that holds samples and statistics.
void tell_of_statistics(const MetricContext& context, const EvaluationSet& set, bool given) {
  if (!set.statistics || !context.comm.root()) return;
  if (given)
    log::info(
        "{} holds samples and statistics: mu and sigma for the Fréchet distance, its {} samples for all other metrics",
        set.name, set.count);
  else if (context.wants_frechet())
    log::warning(
        "{} holds samples and statistics of {} features, but the extractor has {}: the statistics are passed over",
        set.name, set.statistics->mean.numel(), features_per_sample(context, set));
}

SetFeatures features_of(const MetricContext& context, const EvaluationSet& set, bool is_reference, bool with_logits) {
  if (set.statistics_only()) return with_statistics(set, *set.statistics);
  const bool given = uses_given_statistics(context, set);
  if (set.count < 2) all_fail(Exit::data, "{}: {} samples; at least 2 are needed", set.name, set.count);
  ExtractOptions options;
  options.extractor = context.extractor;
  options.batch = context.config.batch;
  options.moments = context.wants_frechet() && !given;
  options.inception_score = with_logits && context.wants("is") && set.count >= InceptionScore::splits;
  options.inception_subsets = with_logits && context.wants("is_infinity") && set.count >= least_for_extrapolation;
  options.keep = rows_kept(context, is_reference);
  tell_of_statistics(context, set, given);
  if (given && options.keep == 0 && !options.logits()) return with_statistics(set, *set.statistics);
  SetFeatures features = extract_set(context.comm, set, options);
  if (given) features.gaussian = *set.statistics;
  return features;
}

// The same for a reference, whose statistics may be kept between runs.
SetFeatures reference_features(const MetricContext& context, const EvaluationSet& set) {
  if (context.config.cache.empty() || set.statistics || !context.wants_frechet())
    return features_of(context, set, true, false);
  const CacheEntry entry = cache_entry(context.comm, context.config.cache, set, context.extractor);
  const std::optional<GaussianStatistics> kept = cached_statistics(context.comm, entry);
  if (kept && rows_kept(context, true) == 0) return with_statistics(set, *kept);
  const SetFeatures features = features_of(context, set, true, false);
  if (!kept) store_statistics(context.comm, entry, features.gaussian);
  return features;
}

void warn_of_few(const Communicator& comm, const SetFeatures& set) {
  const int64_t features = set.gaussian.mean.numel();
  if (comm.root() && set.count > 0 && set.count <= features)
    log::warning("{}: {} samples for {} features; the Fréchet distance is dominated by its bias", set.name, set.count,
                 features);
}

bool class_by_class(const at::Tensor& labels) {
  if (!labels.defined() || labels.numel() < 2) return false;
  const at::Tensor steps = labels.diff();
  return steps.ge(0).all().item<bool>() && steps.gt(0).any().item<bool>();
}

// Two metrics see a part of a set at a time (docs/formats.md, section 3): of a folder with a folder per class, the
// first classes.
void warn_of_order(const MetricContext& context, const EvaluationSet& set, bool is_reference) {
  if (!context.comm.root() || !class_by_class(set.labels)) return;
  if (!is_reference && context.wants("is") && context.extractor && context.extractor->classes > 0)
    log::warning(
        "{} lies class by class: each of the {} parts of its Inception score holds few classes, and the score is "
        "lower than that of the same samples in random order",
        set.name, InceptionScore::splits);
  if (context.wants("prdc") && context.config.prdc.count < set.count)
    log::warning(
        "{} lies class by class: precision, recall, density and coverage take the first {} of its {} samples "
        "(evaluate.prdc.count), which lack the last classes",
        set.name, context.config.prdc.count, set.count);
}

// Why a metric cannot be had of these two sets; empty where it can.
std::string no_pairs_why(const SetFeatures& own, const Reference& reference, bool own_statistics_only) {
  if (own_statistics_only) return own.name + " holds statistics only";
  if (reference.statistics_only) return reference.set.name + " holds statistics only";
  return {};
}

// The Fréchet distance, and what is made of distances of parts.
void add_frechet(Json& metrics, const MetricContext& context, const SetFeatures& own, const Reference& reference,
                 bool own_statistics_only) {
  Communicator& comm = context.comm;
  if (context.wants_frechet()) warn_of_few(comm, own);
  if (context.wants("fid") || context.wants("fid_error"))  // an error is of use beside its value alone
    metrics["frechet_distance"] = distance_on_root(comm, own.gaussian, own.name, reference.factor);
  const std::string no_rows = own_statistics_only ? own.name + " holds statistics only"
                              : own.count < least_for_extrapolation
                                  ? fmt::format("fewer than {} samples", least_for_extrapolation)
                                  : "";
  if (context.wants("fid_error")) {
    if (no_rows.empty())
      metrics["frechet_distance_std"] = fid_standard_error(comm, own, reference.factor);
    else
      refuse(metrics, {"frechet_distance_std"}, no_rows);
  }
  if (context.wants("fid_infinity")) {
    if (no_rows.empty())
      metrics["fid_infinity"] = fid_infinity(comm, own, reference.factor);
    else
      refuse(metrics, {"fid_infinity"}, no_rows);
  }
  if (context.wants("intra_fid")) {
    if (own.labels.defined() && reference.set.labels.defined())
      metrics["intra_fid"] = intra_class_fid(comm, own, reference.set);
    else {
      const SetFeatures& without = own.labels.defined() ? reference.set : own;
      refuse(metrics, {"intra_fid"},
             without.name + " has no labels" + (without.unlabelled.empty() ? "" : ": " + without.unlabelled));
    }
  }
}

void add_inception_score(Json& metrics, const MetricContext& context, const SetFeatures& own, bool statistics_only) {
  if (!context.extractor) return;
  const auto why = [&](int64_t least) {
    return statistics_only                   ? own.name + " holds statistics only"
           : context.extractor->classes == 0 ? "the extractor gives no logits"
                                             : fmt::format("fewer than {} images", least);
  };
  if (own.inception_score)
    metrics["inception_score"] = {{"mean", own.inception_score->mean}, {"std", own.inception_score->std}};
  else if (context.wants("is"))
    refuse(metrics, {"inception_score"}, why(InceptionScore::splits));
  if (own.inception_subsets) {
    const auto& [sizes, scores] = *own.inception_subsets;
    const Line line = line_in_inverse_size(sizes, scores);
    metrics["is_infinity"] = {{"value", line.intercept}, {"slope", line.slope}, {"sizes", sizes}, {"scores", scores}};
  } else if (context.wants("is_infinity")) {
    refuse(metrics, {"is_infinity"}, why(least_for_extrapolation));
  }
}

void warn_of_small_subsets(const MetricContext& context, const std::string& name, int64_t count, int64_t enough) {
  if (context.comm.root() && count < enough)
    log::warning("KID: {} has {} samples, so its subsets have {}, not {} (evaluate.kid.subset_size)", name, count,
                 count, context.config.kid.subset_size);
}

void add_kid(Json& metrics, const MetricContext& context, const SetFeatures& own, const Reference& reference) {
  const int64_t m = own.rows.count, n = reference.set.rows.count;
  KidConfig used = context.config.kid;
  warn_of_small_subsets(context, own.name, m, std::min(used.subset_size, n));
  used.subset_size = std::min({used.subset_size, m, n});
  const MeanStd subsets = kid_by_subsets(context.comm, own.rows, reference.set.rows, used);
  Json kid{{"unbiased", kid_unbiased(context.comm, own.rows, reference.set.rows, *reference.kernel_sum)},
           {"subsets_mean", subsets.mean},
           {"subsets_std", without_rounding(subsets.std, subsets.mean)},
           {"subsets", used.subsets},
           {"subset_size", used.subset_size}};
  const bool whole = used.subset_size == m && used.subset_size == n;
  if (whole || used.subsets == 1)
    refuse(kid, {"subsets_std"},
           whole ? fmt::format("both sets have {} samples: every subset is the whole of them", m) : "one subset");
  metrics["kid"] = kid;
}

// Why there are no balls; empty where there are some.
std::string no_balls_why(const std::string& name, const at::Tensor& radii, int64_t k) {
  if (radii.max().item<float>() > 0) return {};
  return fmt::format("every sample of {} has {} equals in it: the balls have radius 0 and hold nothing", name, k);
}

void warn_of_equals(const MetricContext& context, const std::string& name, const at::Tensor& radii) {
  const int64_t points = radii.eq(0).sum().item<int64_t>(), k = context.config.prdc.k;
  if (context.comm.root() && points > 0)
    log::warning(
        "{}: {} of {} samples have {} equals among them; in precision, recall, density and coverage their balls have "
        "radius 0 and hold nothing",
        name, points, radii.numel(), k);
}

void add_prdc(Json& metrics, const MetricContext& context, const SetFeatures& own, const Reference& reference) {
  const int64_t k = context.config.prdc.k;
  const FeatureBlocks first = own.rows.first(context.config.prdc.count);
  if (first.count <= k || !reference.radii.defined())
    return refuse(
        metrics, {"precision", "recall", "density", "coverage"},
        fmt::format("{} has no more than k = {} samples", first.count <= k ? own.name : reference.set.name, k));
  const at::Tensor radii = neighbour_radii(context.comm, first, k);
  warn_of_equals(context, own.name, radii);
  const Prdc p =
      prdc_of(context.comm, first, reference.set.rows.first(context.config.prdc.count), radii, reference.radii, k);
  metrics.update({{"precision", p.precision}, {"recall", p.recall}, {"density", p.density}, {"coverage", p.coverage}});
  const std::string no_real = no_balls_why(reference.set.name, reference.radii, k);
  const std::string no_fake = no_balls_why(own.name, radii, k);
  if (!no_real.empty()) refuse(metrics, {"precision", "density", "coverage"}, no_real);
  if (!no_fake.empty()) refuse(metrics, {"recall"}, no_fake);
}

}  // namespace

bool MetricContext::wants_frechet() const { return wants("fid") || wants("fid_error") || wants("fid_infinity"); }

bool MetricContext::wants(const char* metric) const {
  return std::find(config.metrics.begin(), config.metrics.end(), metric) != config.metrics.end();
}

bool uses_given_statistics(const MetricContext& context, const EvaluationSet& set) {
  if (!set.statistics || !context.wants_frechet()) return false;
  return set.count == 0 || set.statistics->mean.numel() == features_per_sample(context, set);
}

Reference prepare_reference(const MetricContext& context, const EvaluationSet& set) {
  Reference reference;
  reference.statistics_only = set.statistics_only();
  warn_of_order(context, set, true);
  reference.set = reference_features(context, set);
  if (context.wants_frechet()) {
    warn_of_few(context.comm, reference.set);
    reference.factor = factor_on_root(context.comm, reference.set.gaussian, reference.set.name);
  }
  if (reference.statistics_only) return reference;
  if (context.wants("kid")) {
    warn_of_small_subsets(context, set.name, set.count, context.config.kid.subset_size);
    reference.kernel_sum = kernel_sum_within(context.comm, reference.set.rows);
  }
  const FeatureBlocks first = reference.set.rows.first(context.config.prdc.count);
  if (context.wants("prdc") && first.count > context.config.prdc.k) {
    reference.radii = neighbour_radii(context.comm, first, context.config.prdc.k);
    warn_of_equals(context, set.name, reference.radii);
  }
  return reference;
}

Json metrics_of(const MetricContext& context, const EvaluationSet& set, const Reference& reference) {
  const int64_t classes = context.extractor ? context.extractor->classes : 0;
  warn_of_order(context, set, false);
  const SetFeatures own = features_of(context, set, false, classes > 0);
  Json metrics = Json::object();
  const bool statistics_only = set.statistics_only();
  add_frechet(metrics, context, own, reference, statistics_only);
  add_inception_score(metrics, context, own, statistics_only);
  const std::string no_pairs = no_pairs_why(own, reference, statistics_only);
  if (context.wants("kid"))
    no_pairs.empty() ? add_kid(metrics, context, own, reference) : refuse(metrics, {"kid"}, no_pairs);
  if (context.wants("prdc"))
    no_pairs.empty() ? add_prdc(metrics, context, own, reference)
                     : refuse(metrics, {"precision", "recall", "density", "coverage"}, no_pairs);
  if (context.gaussians25) add_modes(metrics, set.read({0, set.count}).at(0).samples);
  return metrics;
}

Json protocol_of(const MetricContext& context, const Json& metrics, int64_t count, const Reference& reference) {
  const auto computed = [&](std::initializer_list<const char*> names) {
    return std::any_of(names.begin(), names.end(),
                       [&](const char* name) { return metrics.contains(name) && !metrics[name].is_null(); });
  };
  Json protocol = Json::object();
  if (context.extractor) {
    protocol["quantisation"] = "uint8; generated images as clip(floor(127.5 x + 128), 0, 255)";
    protocol["resize"] = "by the extractor";
  }
  if (computed({"frechet_distance", "fid_infinity", "intra_fid"})) protocol["covariance_divisor"] = "n - 1";
  if (computed({"inception_score"})) protocol["inception_splits"] = InceptionScore::splits;
  if (computed({"kid"}))
    protocol["kid"] = {{"kernel", "(x.y/d + 1)^3"},
                       {"subsets", metrics["kid"]["subsets"]},
                       {"subset_size", metrics["kid"]["subset_size"]}};
  const PrdcConfig& prdc = context.config.prdc;
  if (computed({"precision", "recall", "density", "coverage"}))
    protocol["prdc"] = {{"k", prdc.k},
                        {"count", std::min(prdc.count, count)},
                        {"reference_count", std::min(prdc.count, reference.set.count)}};
  return protocol;
}

}  // namespace ddls
