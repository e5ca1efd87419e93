#include "metrics/frechet_metrics.hpp"

#include <ATen/ATen.h>

#include <cstring>

#include "base/error.hpp"
#include "base/log.hpp"
#include "data/class_names.hpp"
#include "dist/failure.hpp"
#include "metrics/extrapolation.hpp"
#include "metrics/rounding.hpp"

namespace ddls {
namespace {

using Json = nlohmann::ordered_json;

constexpr int64_t jackknife_groups = 10;

}  // namespace

std::optional<GaussianFactor> factor_on_root(Communicator& comm, const GaussianStatistics& statistics,
                                             const std::string& what) {
  std::optional<GaussianFactor> result;
  comm.on_root([&] {
    result = factor(statistics, what);
    return std::string();
  });
  return result;
}

double distance_on_root(Communicator& comm, const GaussianStatistics& own, const std::string& what,
                        const std::optional<GaussianFactor>& reference) {
  const std::string bytes = comm.on_root([&] {
    if (own.mean.sizes() != reference->mean.sizes())
      fail(Exit::data, "{} has {} features, the reference has {}: statistics of different extractors", what,
           own.mean.numel(), reference->mean.numel());
    const double distance = frechet_distance(factor(own, what), *reference);
    return std::string(reinterpret_cast<const char*>(&distance), sizeof distance);
  });
  double distance = 0;
  std::memcpy(&distance, bytes.data(), sizeof distance);
  return distance;
}

GaussianStatistics statistics_where(Communicator& comm, const FeatureBlocks& rows, const at::Tensor& mask,
                                    const std::string& what) {
  GaussianStatistics result;
  Moments moments(rows.features);
  comm.together([&] {
    for (int64_t i = 0; i < static_cast<int64_t>(rows.own.size()); ++i) {
      const IdRange ids = rows.ids_of(rows.first_own + i);
      const at::Tensor chosen = mask.narrow(0, ids.begin, ids.size()).nonzero().squeeze(1);
      moments.add(rows.own_rows(rows.first_own + i).index_select(0, chosen));
    }
  });
  // The centre of the first rank that has rows; ranks without any have zeros.
  at::Tensor centres = at::zeros({comm.ranks(), rows.features + 1}, at::kDouble);
  if (moments.sums()[0].item<double>() > 0) {
    centres[comm.rank()][0] = 1;
    centres[comm.rank()].narrow(0, 1, rows.features).copy_(moments.centre());
  }
  comm.all_reduce(centres);
  moments.recentre(centres[centres.select(1, 0).argmax().item<int64_t>()].narrow(0, 1, rows.features));
  comm.all_reduce(moments.sums());
  comm.together([&] { result = moments.statistics(what); });
  return result;
}

Json fid_infinity(Communicator& comm, const SetFeatures& own, const std::optional<GaussianFactor>& reference) {
  const Subsets subsets = extrapolation_subsets(own.rows.count);
  std::vector<double> distances;
  for (const at::Tensor& members : subsets.members.unbind())
    distances.push_back(
        distance_on_root(comm, statistics_where(comm, own.rows, members, own.name), own.name, reference));
  const Line line = line_in_inverse_size(subsets.sizes, distances);
  return {{"value", line.intercept}, {"slope", line.slope}, {"sizes", subsets.sizes}, {"distances", distances}};
}

double fid_standard_error(Communicator& comm, const SetFeatures& own, const std::optional<GaussianFactor>& reference) {
  const int64_t n = own.rows.count;
  std::vector<double> distances;
  for (int64_t group = 0; group < jackknife_groups; ++group) {
    at::Tensor mask = at::ones({n}, at::kBool);
    const int64_t from = group * n / jackknife_groups, to = (group + 1) * n / jackknife_groups;
    mask.narrow(0, from, to - from).fill_(false);
    distances.push_back(distance_on_root(comm, statistics_where(comm, own.rows, mask, own.name), own.name, reference));
  }
  const at::Tensor d = at::tensor(distances, at::kDouble);
  const auto deviation = d.std(/*unbiased=*/false).item<double>();
  return std::sqrt(jackknife_groups - 1) * without_rounding(deviation, d.abs().max().item<double>());
}

Json intra_class_fid(Communicator& comm, const SetFeatures& own, const SetFeatures& reference) {
  MatchedClasses matched;
  comm.together([&] {
    matched = match_classes({own.name, own.labels, own.class_names},
                            {reference.name, reference.labels, reference.class_names});
  });
  if (comm.root() && !matched.remark.empty()) log::warning("intra_fid: {}", matched.remark);
  const std::vector<int64_t> classes = classes_with_samples(at::cat({matched.first, matched.second}));
  Json per_class = Json::object(), left_out = Json::array();
  double sum = 0;
  for (const int64_t label : classes) {
    const std::string name = class_name(matched.names, label);
    const at::Tensor mine = matched.first == label, theirs = matched.second == label;
    if (mine.sum().item<int64_t>() < 2 || theirs.sum().item<int64_t>() < 2) {
      left_out.push_back(matched.names.empty() ? Json(label) : Json(name));
      continue;
    }
    const std::string what = fmt::format("class {} of ", name);
    const auto real = factor_on_root(comm, statistics_where(comm, reference.rows, theirs, what + reference.name),
                                     what + reference.name);
    const double distance =
        distance_on_root(comm, statistics_where(comm, own.rows, mine, what + own.name), what + own.name, real);
    per_class[name] = distance;
    sum += distance;
  }
  const auto used = static_cast<double>(per_class.size());
  Json result{{"mean", nullptr}, {"classes", per_class.size()}, {"left_out", left_out}, {"per_class", per_class}};
  if (used > 0)
    result["mean"] = sum / used;
  else
    result["why"] = "no class has 2 samples in both sets";
  return result;
}

}  // namespace ddls
