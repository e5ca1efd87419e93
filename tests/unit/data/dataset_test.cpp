#include "data/dataset.hpp"

#include <ATen/ATen.h>

#include <cmath>

#include "data/npz_set.hpp"
#include "data/toy.hpp"
#include "scratch_folder.hpp"
#include "tensor/image_io.hpp"
#include "tensor/npz.hpp"
#include "unit/data/network_input.hpp"

namespace ddls::data::dataset_test {
namespace {

using test::contains;
using test::put_bytes;
using test::ScratchFolder;
using test::thrown_by;

at::Tensor images_nhwc() { return at::arange(2 * 4 * 4 * 3, at::kByte).reshape({2, 4, 4, 3}); }

config::DataConfig config_of(const std::string& kind, const std::string& train = "", const std::string& test = "") {
  config::DataConfig config;
  config.kind = kind;
  config.train = train;
  config.test = test;
  return config;
}

TEST(OpenDataset, toy_data) {
  config::DataConfig config = config_of("gaussians25");
  config.points = 50;
  const Dataset train = open_dataset(config, Split::train, 3), test = open_dataset(config, Split::test, 3);
  EXPECT_EQ(train.name, "25 Gaussians");
  EXPECT_TRUE(at::equal(train.samples, gaussians25(50, 3)));
  EXPECT_FALSE(train.images());
  EXPECT_EQ(train.classes(), 0);
  EXPECT_EQ(test.size(), 50);
  EXPECT_FALSE(at::equal(train.samples, test.samples));
  EXPECT_TRUE(at::equal(test.samples, open_dataset(config, Split::test, 3).samples));
  config.kind = "swiss_roll";
  EXPECT_EQ(open_dataset(config, Split::train, 3).name, "swiss roll");
  EXPECT_TRUE(at::equal(open_dataset(config, Split::train, 3).samples, swiss_roll(50, 3)));
}

TEST(OpenDataset, idx_with_labels) {
  const ScratchFolder folder;
  const std::string head("\x00\x00\x08\x03\x00\x00\x00\x02\x00\x00\x00\x01\x00\x00\x00\x01", 16);
  put_bytes(folder / "digits/images", head + "ab");
  put_bytes(folder / "digits/labels", std::string("\x00\x00\x08\x01\x00\x00\x00\x02\x03\x01", 10));
  put_bytes(folder / "digits/short", std::string("\x00\x00\x08\x01\x00\x00\x00\x01\x03", 9));
  config::DataConfig config = config_of("idx", folder / "digits/images");
  EXPECT_FALSE(open_dataset(config, Split::train, 1).labels.defined());
  config.train_labels = folder / "digits/labels";
  const Dataset set = open_dataset(config, Split::train, 1);
  EXPECT_EQ(set.name, "digits train");
  EXPECT_EQ(set.samples.sizes(), (std::vector<int64_t>{2, 1, 1, 1}));
  EXPECT_EQ(set.classes(), 4);
  EXPECT_EQ(open_dataset(config, Split::test, 1).size(), 0);
  config.channels = 3;
  config.image_size = 2;
  EXPECT_TRUE(at::equal(open_dataset(config, Split::train, 1).samples, set.samples.expand({2, 3, 2, 2})));
  config.train_labels = folder / "digits/short";
  const auto thrown = thrown_by([&] { open_dataset(config, Split::train, 1); });
  EXPECT_EQ(thrown.code, Exit::data);
  EXPECT_TRUE(contains(thrown.message, "2 images") && contains(thrown.message, "1 labels")) << thrown.message;
}

TEST(OpenDataset, absent_paths_name_the_key) {
  const ScratchFolder folder;
  put_bytes(folder / "images", std::string("\x00\x00\x08\x03\x00\x00\x00\x01\x00\x00\x00\x01\x00\x00\x00\x01z", 17));
  const auto expect_missing = [](config::DataConfig config, Split split, const std::string& part) {
    const auto thrown = thrown_by([&] { open_dataset(config, split, 1); });
    EXPECT_EQ(thrown.code, Exit::missing);
    EXPECT_TRUE(contains(thrown.message, part)) << thrown.message;
  };
  expect_missing(config_of("images", folder / "none"), Split::train, "data.train: '");
  expect_missing(config_of("npz", "", folder / "none.npz"), Split::test, "data.test: '");
  expect_missing(config_of("idx", "../data/fashion-mnist/train-images.gz"), Split::train,
                 "launch/setup.sh --data fashion-mnist");
  config::DataConfig labels = config_of("idx", folder / "images");
  labels.train_labels = folder / "none";
  expect_missing(labels, Split::train, "data.train_labels: '");
  EXPECT_EQ(thrown_by([] { open_dataset(config_of("idx"), Split::train, 1); }).code, Exit::config);
  EXPECT_EQ(thrown_by([&] { open_dataset(config_of("x", folder / "images"), Split::train, 1); }).code, Exit::config);
}

TEST(OpenDataset, folder_named_after_its_data_set) {
  const ScratchFolder folder;
  put_bytes(folder / "cats/train/a.png", tensor::encode_png(at::full({3, 2, 2}, 8, at::kByte)));
  put_bytes(folder / "cats/train/b.png", "damaged");
  config::DataConfig config = config_of("images", (folder / "cats/train/").string());
  EXPECT_EQ(thrown_by([&] { open_dataset(config, Split::train, 1); }).code, Exit::data);
  config.damaged = "skip";
  const Dataset set = open_dataset(config, Split::train, 1);
  EXPECT_EQ(set.name, "cats train");
  EXPECT_EQ(set.size(), 1);
  EXPECT_EQ(set.damaged, 1);
}

TEST(OpenSet, npz_images_points_and_labels) {
  const ScratchFolder folder;
  tensor::write_npz(folder / "a.npz", {{"arr_0", images_nhwc()}, {"arr_1", at::tensor({4, 0}, at::kLong)}});
  const Dataset images = open_set(folder / "a.npz");
  EXPECT_EQ(images.name, "a");
  EXPECT_TRUE(images.samples.is_contiguous());
  EXPECT_TRUE(at::equal(images.samples, images_nhwc().permute({0, 3, 1, 2})));
  EXPECT_EQ(images.classes(), 5);
  const at::Tensor points = at::tensor({1.0F, 2.0F, 3.0F, -4.0F}).view({2, 2});
  tensor::write_npz(folder / "b.npz", {{"arr_0", points}});
  EXPECT_TRUE(at::equal(open_set(folder / "b.npz").samples, points));
}

TEST(OpenSet, numbers_of_every_type_that_can_be_meant) {
  const ScratchFolder folder;
  const at::Tensor points = at::tensor({1.0F, 2.0F, 3.0F, -4.0F}).view({2, 2});
  for (const at::ScalarType type : {at::kFloat, at::kDouble, at::kHalf}) {
    tensor::write_npz(folder / "a.npz", {{"arr_0", points.to(type)}});
    EXPECT_TRUE(at::equal(open_set(folder / "a.npz").samples, points)) << type;
    EXPECT_TRUE(at::equal(NpzSetFile(folder / "a.npz").rows({1, 2}), points.narrow(0, 1, 1))) << type;
  }
  const at::Tensor labels = at::tensor({7, 2}, at::kLong);
  for (const at::ScalarType type : {at::kByte, at::kChar, at::kShort, at::kInt, at::kLong, at::kFloat, at::kDouble})
    for (const at::Tensor& form : {labels, labels.view({2, 1})}) {
      tensor::write_npz(folder / "a.npz", {{"arr_0", points}, {"arr_1", form.to(type)}});
      EXPECT_TRUE(at::equal(open_set(folder / "a.npz").labels, labels)) << type;
      EXPECT_TRUE(at::equal(NpzSetFile(folder / "a.npz").labels(), labels)) << type;
    }
}

TEST(OpenDataset, labels_that_count_from_1) {
  const ScratchFolder folder;
  tensor::write_npz(folder / "a.npz", {{"arr_0", images_nhwc()}, {"arr_1", at::tensor({3, 1}, at::kLong)}});
  config::DataConfig config = config_of("npz", folder / "a.npz");
  EXPECT_EQ(open_dataset(config, Split::train, 1).classes(), 4);
  config.first_label = 1;
  const Dataset set = open_dataset(config, Split::train, 1);
  EXPECT_TRUE(at::equal(set.labels, at::tensor({2, 0}, at::kLong)));
  EXPECT_EQ(set.class_names, (ClassNames{"1", "2", "3"}));
  EXPECT_EQ(set.classes_seen(), (std::vector<int64_t>{0, 2}));
  tensor::write_npz(folder / "a.npz", {{"arr_0", images_nhwc()}, {"arr_1", at::tensor({3, 0}, at::kLong)}});
  const auto thrown = thrown_by([&] { open_dataset(config, Split::train, 1); });
  EXPECT_EQ(thrown.code, Exit::config);
  EXPECT_TRUE(contains(thrown.message, "has labels from 0")) << thrown.message;
  for (const char* name : {"cat", "dog"})
    put_bytes(folder / "folders" / name / "a.png", tensor::encode_png(at::full({3, 2, 2}, 8, at::kByte)));
  const Dataset folders = open_dataset(
      [&] {
        config::DataConfig of_folders = config_of("images", folder / "folders");
        of_folders.first_label = 1;  // folders are numbered by us, from 0
        return of_folders;
      }(),
      Split::train, 1);
  EXPECT_TRUE(at::equal(folders.labels, at::tensor({0, 1}, at::kLong)));
  EXPECT_EQ(folders.class_names, (ClassNames{"cat", "dog"}));
}

TEST(OpenSet, the_names_of_a_runs_classes) {
  const ScratchFolder folder;
  std::filesystem::create_directories(folder / "ddls");
  tensor::write_npz(folder / "ddls/samples.npz", {{"arr_0", images_nhwc()}, {"arr_1", at::tensor({1, 0}, at::kLong)}});
  EXPECT_TRUE(open_set(folder / "ddls").class_names.empty());
  put_bytes(folder / "ddls/manifest.json", R"({"class_names": ["cat", "dog"]})");
  EXPECT_EQ(open_set(folder / "ddls").class_names, (ClassNames{"cat", "dog"}));
  EXPECT_EQ(open_set(folder / "ddls/samples.npz").class_names, (ClassNames{"cat", "dog"}));
  for (const char* other : {"[1, 2]", "", R"({"class_names": {"cat": 0}})", R"({"class_names": [0, 1]})"}) {
    put_bytes(folder / "ddls/manifest.json", other);
    EXPECT_TRUE(open_set(folder / "ddls").class_names.empty()) << other;
  }
}

TEST(OpenDataset, npy_with_and_without_labels) {
  const ScratchFolder folder;
  const auto npy = [&](const std::string& name, const std::string& descr, const std::string& shape,
                       const std::string& bytes) {
    std::string header = "{'descr': '" + descr + "', 'fortran_order': False, 'shape': " + shape + ", }";
    header.resize(117, ' ');
    put_bytes(folder / name, std::string("\x93NUMPY\x01\x00\x76\x00", 10) + header + "\n" + bytes);
  };
  npy("x.npy", "|u1", "(2, 1, 2, 3)", "abcdefghijkl");
  npy("y.npy", "<i8", "(2,)", std::string("\x05\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\0", 16));
  npy("z.npy", "<i8", "(1,)", std::string(8, '\0'));
  config::DataConfig config = config_of("npy", folder / "x.npy");
  const Dataset plain = open_dataset(config, Split::train, 1);
  EXPECT_EQ(plain.name, "x");
  EXPECT_TRUE(at::equal(
      plain.samples,
      at::tensor({'a', 'd', 'b', 'e', 'c', 'f', 'g', 'j', 'h', 'k', 'i', 'l'}, at::kByte).view({2, 3, 1, 2})));
  EXPECT_FALSE(plain.labels.defined());
  config.train_labels = folder / "y.npy";
  EXPECT_EQ(open_dataset(config, Split::train, 1).classes(), 6);
  config.train_labels = folder / "z.npy";
  const auto thrown = thrown_by([&] { open_dataset(config, Split::train, 1); });
  EXPECT_EQ(thrown.code, Exit::data);
  EXPECT_TRUE(contains(thrown.message, "z.npy' is Long [1]")) << thrown.message;
}

TEST(OpenSet, npz_that_are_no_sets) {
  const ScratchFolder folder;
  const auto refused = [&](const tensor::NamedTensors& arrays, const std::string& part) {
    tensor::write_npz(folder / "a.npz", arrays);
    const auto thrown = thrown_by([&] { open_set(folder / "a.npz"); });
    EXPECT_EQ(thrown.code, Exit::data);
    EXPECT_TRUE(contains(thrown.message, part)) << thrown.message;
  };
  const at::Tensor points = at::zeros({2, 2});
  refused({{"mu", points}, {"sigma", points}}, "holds: mu, sigma");
  refused({}, "holds no arrays");
  refused({{"arr_0", points.to(at::kLong)}}, "arr_0 is Long [2, 2]");
  refused({{"arr_0", at::zeros({2, 4, 4, 3}, at::kDouble)}}, "astype('uint8')");
  refused({{"arr_0", at::zeros({2, 4, 4}, at::kByte)}}, "x[..., None]");
  refused({{"arr_0", at::zeros({2, 4, 4, 4}, at::kByte)}}, "x[..., :3]");
  refused({{"arr_0", at::zeros({2, 3, 4, 4}, at::kByte)}, {"arr_1", at::zeros({2}, at::kLong)}},
          "Byte [2, 3, 4, 4], expected uint8 [N, H, W, 1 or 3] or float32 [N, d]; its channels seem to come first");
  refused({{"arr_0", at::zeros({0, 2})}}, "arr_0 is empty");
  refused({{"arr_0", points / 0}}, "not finite");
  refused({{"arr_0", points}, {"arr_1", at::zeros({3}, at::kLong)}}, "arr_1 is Long [3]");
  refused({{"arr_0", points}, {"arr_1", at::full({2}, 0.5)}}, "arr_1 holds labels that are no whole numbers");
  refused({{"arr_0", points}, {"arr_1", at::full({2}, NAN)}}, "arr_1 holds labels that are no whole numbers");
  refused({{"arr_0", points}, {"arr_1", at::zeros({2, 3}, at::kByte)}}, "argmax");
  refused({{"arr_0", points}, {"arr_1", at::full({2}, -1, at::kLong)}}, "negative");
}

TEST(OpenSet, folders) {
  const ScratchFolder folder;
  std::filesystem::create_directories(folder / "run/samples/ddls");
  tensor::write_npz(folder / "run/samples/ddls/samples.npz", {{"arr_0", images_nhwc()}});
  put_bytes(folder / "run/samples/ddls/grid.png", tensor::encode_png(at::zeros({3, 2, 2}, at::kByte)));
  const Dataset samples = open_set(folder / "run/samples/ddls");
  EXPECT_EQ(samples.size(), 2);
  EXPECT_EQ(samples.name, "ddls");
  put_bytes(folder / "images/a.png", tensor::encode_png(at::full({1, 2, 2}, 9, at::kByte)));
  const Dataset images = open_set(folder / "images");
  EXPECT_EQ(images.name, "images");
  EXPECT_TRUE(at::equal(images.samples, at::full({1, 1, 2, 2}, 9, at::kByte)));
  EXPECT_EQ(thrown_by([&] { open_set(folder / "none"); }).code, Exit::missing);
  config::DataConfig config;
  config.damaged = "ignore";
  EXPECT_EQ(thrown_by([&] { as_stored(config); }).code, Exit::config);
}

TEST(Dataset, digest_sees_values_labels_and_shape) {
  const Dataset a{"a", at::arange(4, at::kFloat).reshape({2, 2}), {}};
  Dataset b = a;
  b.name = "b";
  EXPECT_EQ(a.digest(), b.digest());
  b.samples = a.samples.reshape({1, 4});
  EXPECT_NE(a.digest(), b.digest());
  b.samples = a.samples.clone();
  EXPECT_EQ(a.digest(), b.digest());
  b.labels = at::zeros({2}, at::kLong);
  EXPECT_NE(a.digest(), b.digest());
  b = a;
  b.samples = a.samples.flip(0);
  EXPECT_NE(a.digest(), b.digest());
}

TEST(NetworkInput, rows_by_id_and_images_scaled) {
  const at::Tensor ids = at::tensor({2, 0, 2}, at::kLong);
  const Dataset points{"p", at::arange(6, at::kFloat).reshape({3, 2}), {}};
  EXPECT_TRUE(at::equal(test::network_input(points, ids), points.samples.index_select(0, ids)));
  const Dataset images{"i", at::tensor({0, 100, 255}, at::kInt).to(at::kByte).reshape({3, 1, 1, 1}), {}};
  const at::Tensor input = test::network_input(images, ids);
  EXPECT_EQ(input.scalar_type(), at::kFloat);
  EXPECT_TRUE(at::equal(input.flatten(), at::tensor({1.0F, -1.0F, 1.0F})));
}

}  // namespace
}  // namespace ddls::data::dataset_test
