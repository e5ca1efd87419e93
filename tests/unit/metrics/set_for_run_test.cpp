// What a run takes of its own data when it takes a part: of a set that lies class by class, all classes.
#include <gtest/gtest.h>
#include <ATen/ATen.h>

#include "metrics/evaluation_set.hpp"

namespace ddls::metrics::set_for_run_test {
namespace {

// 60 points whose coordinates say which they are, with these labels.
data::Dataset points(const at::Tensor& labels) {
  const at::Tensor ids = at::arange(60, at::kFloat);
  return {.name = "points", .samples = at::stack({ids, -ids}, 1), .labels = labels};
}

data::Dataset class_by_class() { return points(at::arange(60, at::kLong).floor_divide(10)); }

at::Tensor ids_of(const EvaluationSet& set, IdRange range) {
  return set.read(range).at(0).samples.select(1, 0).to(at::kLong);
}

TEST(SetForRun, any_part_of_a_set_that_lies_class_by_class_has_all_classes) {
  const data::Dataset data = class_by_class();
  for (const int64_t count : {30, 45, 60}) {
    const EvaluationSet set = set_for_run(data, count);
    ASSERT_EQ(set.count, count);
    const at::Tensor first = set.labels.narrow(0, 0, 30);
    EXPECT_EQ(std::get<0>(at::_unique(first)).numel(), 6) << first;
  }
}

TEST(SetForRun, labels_go_with_their_samples_and_none_comes_twice) {
  const data::Dataset data = class_by_class();
  const EvaluationSet set = set_for_run(data);
  ASSERT_EQ(set.count, 60);
  const at::Tensor ids = ids_of(set, {0, 60});
  EXPECT_TRUE(at::equal(std::get<0>(ids.sort()), at::arange(60, at::kLong)));
  EXPECT_TRUE(at::equal(set.labels, data.labels.index_select(0, ids)));
  EXPECT_TRUE(at::equal(ids_of(set, {13, 17}), ids.narrow(0, 13, 4)));
}

TEST(SetForRun, a_smaller_part_is_the_beginning_of_a_larger_one) {
  const data::Dataset data = class_by_class();
  EXPECT_TRUE(at::equal(ids_of(set_for_run(data, 20), {0, 20}), ids_of(set_for_run(data), {0, 20})));
  EXPECT_TRUE(at::equal(ids_for_run(data, 20), ids_of(set_for_run(data), {0, 20})));
}

TEST(SetForRun, takes_the_first_of_a_set_in_another_order_or_without_labels) {
  for (const at::Tensor& labels : {at::arange(60, at::kLong).remainder(6), at::Tensor()}) {
    const data::Dataset data = points(labels);
    EXPECT_TRUE(at::equal(ids_of(set_for_run(data, 20), {0, 20}), at::arange(20, at::kLong)));
  }
}

}  // namespace
}  // namespace ddls::metrics::set_for_run_test
