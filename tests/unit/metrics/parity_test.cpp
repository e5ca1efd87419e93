// Against what torch-fidelity, prdc and pytorch-fid compute of the same features
// (tests/data/metrics/make_parity_fixtures.py).
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <limits>
#include <nlohmann/json.hpp>

#include "base/files.hpp"
#include "metrics/frechet.hpp"
#include "metrics/entries/inception_score.hpp"
#include "metrics/entries/kid.hpp"
#include "metrics/numpy_random.hpp"
#include "metrics/entries/prdc.hpp"
#include "metrics/pair_products.hpp"
#include "tensor/npz.hpp"

namespace ddls::metrics::parity_test {
namespace {

const fs::path folder = fs::path(DDLS_TEST_DATA) / "metrics";

class Parity : public testing::Test {
 protected:
  GaussianFactor gaussian(const char* name) const {
    Moments moments(arrays.at(name).size(1));
    for (const at::Tensor& piece : arrays.at(name).split(97)) moments.add(piece);
    return factor(moments.statistics(name), name);
  }
  const tensor::NamedTensors arrays = tensor::read_npz(folder / "parity.npz");
  const nlohmann::json expected = nlohmann::json::parse(read_file(folder / "parity.json"));
  const at::Tensor fake = arrays.at("fake"), real = arrays.at("real");
};

TEST_F(Parity, FrechetDistance) {
  const auto distance = expected["frechet_distance"].get<double>();
  EXPECT_NEAR(frechet_distance(gaussian("fake"), gaussian("real")), distance, 1e-7 * distance);
  const auto few = expected["frechet_distance_few"].get<double>();  // a covariance without full rank
  EXPECT_NEAR(frechet_distance(gaussian("few"), gaussian("real")), few, 1e-5 * few);
}

TEST_F(Parity, InceptionScore) {
  InceptionScore score(20, 300);
  score.add(arrays.at("logits"), {0, 300});
  EXPECT_NEAR(score.score().mean, expected["inception_score"]["mean"].get<double>(), 1e-9);
  EXPECT_NEAR(score.score().std, expected["inception_score"]["std"].get<double>(), 1e-9);
}

TEST_F(Parity, NumpyPermutation) {
  NumpyRandom random(2020);
  for (const auto& [name, count] : {std::pair{"first", 1000}, std::pair{"second", 257}}) {
    const auto drawn = expected["permutation"][name].get<std::vector<int64_t>>();
    EXPECT_TRUE(at::equal(random.permutation(count).narrow(0, 0, 12), at::tensor(drawn))) << name;
  }
}

TEST_F(Parity, KidOverAllPairsAndBySubsets) {
  const double all =
      squared_mmd({kernel_sum_off_diagonal(fake), kernel_sum_off_diagonal(real), kernel_sum(fake, real)}, 300, 260);
  EXPECT_NEAR(all, expected["kid"]["unbiased"].get<double>(), 1e-7);
  std::vector<double> values;
  for (const KidSubset& subset : draw_kid_subsets(300, 260, 20, 100)) {
    const at::Tensor x = fake.index_select(0, subset.fake), y = real.index_select(0, subset.real);
    values.push_back(squared_mmd({kernel_sum_off_diagonal(x), kernel_sum_off_diagonal(y), kernel_sum(x, y)}, 100, 100));
  }
  const at::Tensor subsets = at::tensor(values);
  EXPECT_NEAR(subsets.mean().item<double>(), expected["kid"]["subsets_mean"].get<double>(), 1e-6);
  EXPECT_NEAR(subsets.std(false).item<double>(), expected["kid"]["subsets_std"].get<double>(), 1e-6);
}

at::Tensor radii_of(const at::Tensor& rows, int64_t k) {
  NearestNeighbours neighbours(rows.size(0), k);
  at::Tensor block = distances(rows, rows);
  block.fill_diagonal_(std::numeric_limits<double>::infinity());
  for (int64_t from = 0; from < rows.size(0); from += 70)  // in column blocks, as ranks do
    neighbours.add(0, block.narrow(1, from, std::min<int64_t>(70, rows.size(0) - from)));
  return neighbours.radii();
}

PairBlock pair_block(const at::Tensor& x, IdRange rows, const at::Tensor& y, IdRange columns) {
  const at::Tensor a = x.narrow(0, rows.begin, rows.size()).to(at::kDouble);
  const at::Tensor b = y.narrow(0, columns.begin, columns.size()).to(at::kDouble);
  return PairBlock(rows, columns, a, b, a.square().sum(1, true), b.square().sum(1).unsqueeze(0));
}

TEST_F(Parity, PrdcExactly) {
  for (const int64_t k : {3, 5}) {
    PrdcCounts counts(radii_of(real, k), radii_of(fake, k));
    for (int64_t from = 0; from < 260; from += 64) {
      const int64_t size = std::min<int64_t>(64, 260 - from);
      counts.add(pair_block(real, {from, from + size}, fake, {0, 100}));
      counts.add(pair_block(real, {from, from + size}, fake, {100, 300}));
    }
    const Prdc p = counts.result(k);
    const auto& e = expected["prdc"][std::to_string(k)];
    EXPECT_NEAR(p.precision, e["precision"].get<double>(), 1e-12);
    EXPECT_NEAR(p.recall, e["recall"].get<double>(), 1e-12);
    EXPECT_NEAR(p.density, e["density"].get<double>(), 1e-12);
    EXPECT_NEAR(p.coverage, e["coverage"].get<double>(), 1e-12);
  }
}

}  // namespace
}  // namespace ddls::metrics::parity_test
