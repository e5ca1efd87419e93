#include "metrics/neighbours.hpp"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

#include "base/error.hpp"
#include "base/log.hpp"
#include "metrics/long_work.hpp"

namespace ddls::metrics {
namespace {

struct Candidate {
  double distance2;
  int64_t id;
  bool operator<(const Candidate& other) const {
    return distance2 != other.distance2 ? distance2 < other.distance2 : id < other.id;
  }
};

// The k best so far of every query.
class Nearest {
 public:
  // queries: [q, features], any real dtype; distances are sums of float64 differences, one row at a time, so that they
  // do not depend on which rows come together.
  Nearest(const at::Tensor& queries, int64_t k)
      : queries_(queries.to(at::kDouble)), k_(static_cast<size_t>(k)), best_(static_cast<size_t>(queries.size(0))) {}

  void add(const at::Tensor& rows, int64_t first_id) {
    const at::Tensor values = rows.to(at::kDouble);
    for (size_t q = 0; q < best_.size(); ++q) {
      const at::Tensor distance2 = (values - queries_[static_cast<int64_t>(q)]).square_().sum(1).contiguous();
      if (!at::isfinite(distance2).all().item<bool>())
        fail(Exit::data, "features of the images {} to {} are not finite numbers", first_id,
             first_id + distance2.numel() - 1);
      const double* const d = distance2.const_data_ptr<double>();
      for (int64_t i = 0; i < distance2.numel(); ++i) offer(best_[q], {d[i], first_id + i});
    }
  }

  // Of all ranks together, on rank 0.
  std::optional<NearestRows> gathered(dist::Communicator& comm) const {
    at::Tensor own =
        at::full({1, static_cast<int64_t>(best_.size()), static_cast<int64_t>(k_), 2}, INFINITY, at::kDouble);
    for (size_t q = 0; q < best_.size(); ++q)
      for (size_t i = 0; i < best_[q].size(); ++i) {
        const at::Tensor place = own[0][static_cast<int64_t>(q)][static_cast<int64_t>(i)];
        place[0].fill_(best_[q][i].distance2);
        place[1].fill_(static_cast<double>(best_[q][i].id));
      }
    const std::optional<at::Tensor> all = comm.gather_rows(own);
    if (!all) return std::nullopt;
    const auto count = static_cast<int64_t>(best_.size()), k = static_cast<int64_t>(k_);
    NearestRows rows{at::empty({count, k}, at::kLong), at::empty({count, k}, at::kDouble)};
    for (int64_t q = 0; q < count; ++q) {
      const at::Tensor of_query = all->select(1, q).reshape({-1, 2}).contiguous();
      const double* const values = of_query.const_data_ptr<double>();
      std::vector<Candidate> best;
      for (int64_t i = 0; i < of_query.size(0); ++i)
        if (std::isfinite(values[2 * i])) offer(best, {values[2 * i], static_cast<int64_t>(values[2 * i + 1])});
      for (int64_t i = 0; i < k; ++i) {
        rows.ids[q][i].fill_(best[static_cast<size_t>(i)].id);
        rows.distances[q][i].fill_(std::sqrt(best[static_cast<size_t>(i)].distance2));
      }
    }
    return rows;
  }

 private:
  void offer(std::vector<Candidate>& best, const Candidate& candidate) const {
    if (best.size() == k_ && !(candidate < best.back())) return;
    if (best.size() == k_) best.pop_back();
    best.insert(std::upper_bound(best.begin(), best.end(), candidate), candidate);
  }

  at::Tensor queries_;
  size_t k_;
  std::vector<std::vector<Candidate>> best_;
};

// In whole batches: a network may round differently for another batch.
at::Tensor features_of(const Extractor& extractor, const at::Tensor& images, int64_t batch, const ImageName& name_of) {
  std::vector<at::Tensor> parts;
  for (int64_t from = 0; from < images.size(0); from += batch) {
    const int64_t size = std::min(batch, images.size(0) - from);
    const at::Tensor places = at::arange(from, from + batch, at::kLong).clamp_max(images.size(0) - 1);
    const auto name = [&](int64_t row) { return name_of(std::min(from + row, images.size(0) - 1)); };
    parts.push_back(extractor.extract(images.index_select(0, places), false, name).features.narrow(0, 0, size));
  }
  return at::cat(parts);
}

}  // namespace

std::optional<ImageNeighbours> nearest_images(dist::Communicator& comm, const EvaluationSet& set,
                                              const Extractor& extractor, const at::Tensor& queries, int64_t k,
                                              int64_t batch) {
  k = std::min(k, set.count);
  std::optional<Nearest> by_pixels, by_features;
  comm.together([&] {
    by_pixels.emplace(queries.flatten(1), k);
    const auto name_of_query = [](int64_t i) { return fmt::format("sample {} of those compared", i); };
    by_features.emplace(features_of(extractor, queries, batch, name_of_query), k);
    const std::vector<Block> blocks = BlockPlan{set.count, batch}.blocks_of(comm.rank(), comm.ranks());
    LongWork work("nearest images of " + set.name, static_cast<int64_t>(blocks.size()), comm.root());
    for (const Block& block : blocks) {
      end_if_stopped("nearest images of", set.name);
      const std::vector<Piece> pieces = set.read(block.ids);
      if (pieces.size() != 1 || pieces[0].samples.sizes().slice(1) != queries.sizes().slice(1))
        fail(Exit::data, "{}: images {} to {} do not all have the shape of the samples, [{}]", set.name,
             block.ids.begin, block.ids.end - 1, fmt::join(queries.sizes().slice(1), ", "));
      by_pixels->add(pieces[0].samples.flatten(1), block.ids.begin);
      const auto name_of_image = [&](int64_t i) { return set.sample_name(block.ids.begin + i); };
      by_features->add(features_of(extractor, pieces[0].samples, batch, name_of_image), block.ids.begin);
      work.step();
    }
  });
  std::optional<NearestRows> pixels = by_pixels->gathered(comm), features = by_features->gathered(comm);
  if (!pixels) return std::nullopt;
  return ImageNeighbours{std::move(*pixels), std::move(*features)};
}

}  // namespace ddls::metrics
