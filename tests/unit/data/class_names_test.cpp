#include "data/class_names.hpp"

#include <ATen/ATen.h>

#include "scratch_folder.hpp"

namespace ddls::data::class_names_test {
namespace {

using test::contains;
using test::thrown_by;

LabelledSet set_of(const std::string& name, const std::vector<int64_t>& labels, const ClassNames& names = {}) {
  return {name, at::tensor(labels, at::kLong), names};
}

std::vector<std::string> named(const at::Tensor& labels, const ClassNames& names) {
  std::vector<std::string> result;
  for (int64_t i = 0; i < labels.numel(); ++i) result.push_back(class_name(names, labels[i].item<int64_t>()));
  return result;
}

TEST(ClassNames, of_folders_that_are_numbers) {
  EXPECT_EQ(names_to_compare({"cat", "dog"}), (ClassNames{"cat", "dog"}));
  EXPECT_EQ(names_to_compare({"000", "001", "010"}), (ClassNames{"0", "1", "10"}));
  EXPECT_EQ(names_to_compare({"01", "1"}), (ClassNames{"01", "1"}));  // would be one class
  EXPECT_EQ(names_to_compare({"1", "cat"}), (ClassNames{"1", "cat"}));
  EXPECT_EQ(names_to_compare({"-1", "+2", "3x"}), (ClassNames{"-1", "+2", "3x"}));
  EXPECT_TRUE(names_to_compare({}).empty());
}

TEST(ClassNames, lists) {
  EXPECT_EQ(list_of_classes({0, 27, 28, 29, 31, 32}, {}), "0, 27 to 29, 31, 32");
  EXPECT_EQ(list_of_classes({0, 1, 2}, {"a", "b", "c"}), "a, b, c");
  std::vector<int64_t> odd;
  for (int64_t i = 0; i < 20; ++i) odd.push_back(2 * i);
  EXPECT_TRUE(list_of_classes(odd, {}).ends_with("22, and 8 more")) << list_of_classes(odd, {});
}

TEST(MatchClasses, by_name_whatever_their_order) {
  const MatchedClasses m =
      match_classes(set_of("fake", {0, 1, 2, 1}, {"cat", "dog", "eel"}), set_of("real", {1, 0, 1}, {"cat", "eel"}));
  EXPECT_EQ(named(m.first, m.names), (std::vector<std::string>{"cat", "dog", "eel", "dog"}));
  EXPECT_EQ(named(m.second, m.names), (std::vector<std::string>{"eel", "cat", "eel"}));
  EXPECT_EQ(m.remark, "only 'fake' has samples of class dog");
}

// What a manifest says of a folder whose name is no UTF-8, and that folder itself.
TEST(MatchClasses, names_are_bytes) {
  EXPECT_EQ(match_classes(set_of("a", {0, 1}, {"caf\xE9", "x"}), set_of("b", {0, 1}, {"caf\\xe9", "x"})).remark, "");
}

TEST(MatchClasses, equal_sets_without_a_word) {
  EXPECT_EQ(match_classes(set_of("a", {0, 1}, {"x", "y"}), set_of("b", {1, 0}, {"y", "x"})).remark, "");
  const MatchedClasses numbers = match_classes(set_of("a", {7, 2}), set_of("b", {2, 7, 7}));
  EXPECT_EQ(numbers.remark, "");
  EXPECT_TRUE(numbers.names.empty());
  EXPECT_TRUE(at::equal(numbers.first, at::tensor({7, 2}, at::kLong)));
}

TEST(MatchClasses, both_sides_are_named) {
  const MatchedClasses m = match_classes(set_of("a", {0, 1}, {"x", "y"}), set_of("b", {0, 1}, {"x", "z"}));
  EXPECT_EQ(m.remark, "only 'a' has samples of class y; only 'b' has samples of class z");
  EXPECT_EQ(match_classes(set_of("a", {0, 1, 2}), set_of("b", {0, 1})).remark, "only 'a' has samples of class 2");
}

// Folders "1", "10", "2" are numbered 0, 1, 2 by their order; in an .npz the same classes are 1, 10, 2.
TEST(MatchClasses, numbered_folders_are_the_numbers_of_other_files) {
  const MatchedClasses m =
      match_classes(set_of("folders", {0, 1, 2}, {"01", "010", "02"}), set_of("array", {2, 10, 1, 1}));
  EXPECT_EQ(m.remark, "");
  EXPECT_EQ(named(m.second, m.names), (std::vector<std::string>{"2", "10", "1", "1"}));
  EXPECT_TRUE(at::equal(m.second, m.first.index_select(0, at::tensor({2, 1, 0, 0}))));
}

TEST(MatchClasses, numbers_against_words_go_by_order_and_that_is_said) {
  for (const bool swapped : {false, true}) {
    const LabelledSet words = set_of("folders", {0, 1, 2}, {"cat", "dog", "eel"}), plain = set_of("array", {2, 0});
    const MatchedClasses m = swapped ? match_classes(plain, words) : match_classes(words, plain);
    EXPECT_EQ(named(swapped ? m.first : m.second, m.names), (std::vector<std::string>{"eel", "cat"}));
    EXPECT_TRUE(contains(m.remark, "'array' has plain numbers") && contains(m.remark, "0 is 'cat'")) << m.remark;
    EXPECT_TRUE(contains(m.remark, "only 'folders' has samples of class dog")) << m.remark;
  }
  const auto beyond = thrown_by([] { match_classes(set_of("a", {0, 1}, {"cat", "dog"}), set_of("b", {0, 2})); });
  EXPECT_EQ(beyond.code, Exit::data);
  EXPECT_TRUE(contains(beyond.message, "up to 2") && contains(beyond.message, "cat, dog")) << beyond.message;
}

TEST(MatchClasses, nothing_in_common_or_another_first_number) {
  const auto none = thrown_by([] { match_classes(set_of("a", {0}, {"cat"}), set_of("b", {0}, {"dog"})); });
  EXPECT_EQ(none.code, Exit::data);
  EXPECT_TRUE(contains(none.message, "no class in common: cat in the first, dog in the second")) << none.message;
  for (const LabelledSet& from_0 : {set_of("a", {0, 1, 2}), set_of("a", {0, 1, 2}, {"0", "1", "2"})})
    for (const LabelledSet& from_1 : {set_of("b", {1, 2, 3}), set_of("b", {0, 1, 2}, {"1", "2", "3"})}) {
      const auto shifted = thrown_by([&] { match_classes(from_0, from_1); });
      EXPECT_EQ(shifted.code, Exit::data);
      EXPECT_TRUE(contains(shifted.message, "0 to 2, those of 'b' 1 to 3")) << shifted.message;
      EXPECT_EQ(thrown_by([&] { match_classes(from_1, from_0); }).code, Exit::data);
    }
}

}  // namespace
}  // namespace ddls::data::class_names_test
