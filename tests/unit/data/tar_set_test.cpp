#include "data/tar_set.hpp"

#include <ATen/ATen.h>

#include "data/dataset.hpp"
#include "scratch_folder.hpp"
#include "tensor/image_io.hpp"
#include "unit/data/tar_writer.hpp"

namespace ddls::data::tar_set_test {
namespace {

using namespace test;

std::string png(int64_t shade) { return tensor::encode_png(at::full({1, 2, 2}, shade, at::kByte)); }

// A member "0001.png" of WebDataset with its label.
std::string sample(const std::string& key, int64_t shade, int64_t label) {
  return tar_member(key + ".png", png(shade)) + tar_member(key + ".cls", fmt::format("{}\n", label));
}

config::DataConfig config_of(const std::filesystem::path& path) {
  config::DataConfig config;
  config.kind = "tar";
  config.train = path;
  return config;
}

Dataset open(const std::filesystem::path& path) { return open_dataset(config_of(path), Split::train, 1); }

std::vector<int64_t> values(const at::Tensor& tensor) {
  const at::Tensor dense = tensor.to(at::kLong).contiguous();
  return {dense.data_ptr<int64_t>(), dense.data_ptr<int64_t>() + dense.numel()};
}

std::vector<int64_t> shades(const Dataset& set) { return values(set.rows(0, set.size()).flatten(1).select(1, 0)); }

using Numbers = std::vector<int64_t>;

TEST(TarSet, shards_of_webdataset) {
  const ScratchFolder folder;
  put_bytes(folder / "set/b.tar", sample("x/3", 3, 1) + tar_end());
  put_bytes(folder / "set/a.tar", tar_member("README.md", "?") + sample("x/2", 2, 5) +
                                      tar_member("x/1.json", R"({"label": 0})") + tar_member("x/1.png", png(1)) +
                                      tar_member("x/._1.png", "hidden") + tar_end());
  put_bytes(folder / "set/c.tar", tar_end());  // an empty shard
  put_bytes(folder / "set/notes.txt", "no shard");
  const Dataset set = open(folder / "set");
  EXPECT_EQ(set.name, "set");
  EXPECT_FALSE(set.samples.defined());
  EXPECT_EQ(set.shape(), (Numbers{1, 2, 2}));
  EXPECT_EQ(shades(set), (Numbers{2, 1, 3}));
  EXPECT_EQ(values(set.labels), (Numbers{5, 0, 1}));
  EXPECT_EQ(set.classes(), 6);
  const Dataset::Rows some = set.take(at::tensor({2, 0, 2}, at::kLong));
  EXPECT_EQ(values(some.samples.flatten(1).select(1, 3)), (Numbers{3, 2, 3}));
  EXPECT_EQ(values(some.labels), (Numbers{1, 5, 1}));
}

TEST(TarSet, class_folders_below_what_all_share) {
  const ScratchFolder folder;
  put_bytes(folder / "a.tar", tar_member("./set/", "", '5') + tar_member("./set/info.json", "{}") +
                                  tar_member("./set/dog/1.png", png(1)) + tar_member("./set/cat/2.0.png", png(2)) +
                                  tar_member("./set/cat/2.1.PNG", png(3)) + tar_end());
  EXPECT_EQ(shades(open(folder / "a.tar")), (Numbers{1, 2, 3}));
  EXPECT_EQ(values(open(folder / "a.tar").labels), (Numbers{1, 0, 0}));
  EXPECT_EQ(shades(open(folder / "a.tar/set/cat/")), (Numbers{2, 3}));
  EXPECT_FALSE(open(folder / "a.tar/set/cat").labels.defined());
  EXPECT_EQ(open_set((folder / "a.tar/set/cat").string()).size(), 2);
  const auto none = thrown_by([&] { open(folder / "a.tar/set/eel"); });
  EXPECT_EQ(none.code, Exit::data);
  EXPECT_TRUE(contains(none.message, "set/eel' holds no PNG or JPEG")) << none.message;
  put_bytes(folder / "b.tar", tar_member("1.png", png(1)) + tar_member("cat/2.png", png(2)) + tar_end());
  EXPECT_TRUE(contains(thrown_by([&] { open(folder / "b.tar"); }).message, "lies beside the folder 'cat'"));
}

TEST(TarSet, splits_in_one_archive_are_told_apart_by_path) {
  const ScratchFolder folder;
  put_bytes(folder / "a.tar", tar_member("c/test/cat/1.png", png(1)) + tar_member("c/train/cat/2.png", png(2)) +
                                  tar_member("c/train/dog/3.png", png(3)) + tar_end());
  const auto thrown = thrown_by([&] { open(folder / "a.tar"); });
  EXPECT_EQ(thrown.code, Exit::data);
  EXPECT_TRUE(contains(thrown.message, "ARCHIVE.tar/c/test")) << thrown.message;
  EXPECT_EQ(shades(open(folder / "a.tar/c/train")), (Numbers{2, 3}));
  EXPECT_EQ(open(folder / "a.tar/c/train").name, "c train");
}

TEST(TarSet, sets_that_cannot_be_used) {
  const ScratchFolder folder;
  const auto refused = [&](const std::string& bytes, const std::string& part) {
    put_bytes(folder / "a.tar", bytes + tar_end());
    const auto thrown = thrown_by([&] { open(folder / "a.tar"); });
    EXPECT_EQ(thrown.code, Exit::data);
    EXPECT_TRUE(contains(thrown.message, part)) << thrown.message;
  };
  refused(tar_member("a.txt", "x"), "holds no PNG or JPEG");
  refused(tar_member("a.webp", "x") + tar_member("b.bmp", "x"), "formats that are not read (1 bmp, 1 webp)");
  refused(tar_member("1.png", "", '2'), "1.png' is a link");
  std::filesystem::create_directories(folder / "empty");
  EXPECT_EQ(thrown_by([&] { open(folder / "empty"); }).code, Exit::data);
  const auto missing = thrown_by([&] { open(folder / "none.tar/inside"); });
  EXPECT_EQ(missing.code, Exit::missing);
  EXPECT_TRUE(contains(missing.message, "data.train: '")) << missing.message;
}

// Whether that matters, whoever wants labels decides.
TEST(TarSet, labels_that_cannot_be_used_are_none_and_the_reason_is_kept) {
  const ScratchFolder folder;
  const auto unlabelled = [&](const std::string& bytes, const std::string& part) {
    put_bytes(folder / "a.tar", bytes + tar_end());
    const Dataset set = open(folder / "a.tar");
    EXPECT_FALSE(set.labels.defined()) << part;
    EXPECT_EQ(set.classes(), 0);
    EXPECT_TRUE(contains(set.unlabelled, part)) << set.unlabelled;
    EXPECT_TRUE(contains(set.why_no_labels(), part)) << set.why_no_labels();
  };
  const std::string second = tar_member("2.png", png(2));
  unlabelled(sample("1", 1, 1) + second, "a.tar/2.png' has no label");
  unlabelled(sample("1", 1, 1) + second + tar_member("2.cls", "cat"), "a.tar/2.png' is a name (cat)");
  unlabelled(sample("1", 1, 1) + second + tar_member("2.cls", "-3"), "2.cls' holds the label -3");
  unlabelled(second + tar_member("2.cls", ""), "2.cls' holds no label");
  unlabelled(second + tar_member("2.json", "{\"la"), "2.json' is no JSON");
  unlabelled(second + tar_member("2.json", R"({"label": [1, 0]})"), "2.json' gives a label that is of the type array");
  unlabelled(second + tar_member("2.json", R"({"label": 0.5})"), "2.json' gives the label 0.5");
  unlabelled(second + tar_member("2.cls", "", '2'), "2.cls' is a link");
}

TEST(TarSet, side_files_that_hold_no_label_do_no_harm) {
  const ScratchFolder folder;
  for (const std::string json : {R"({"caption": "x", "similarity": NaN})", "[[1, 2, 3, 4]]", "{}", "17",
                                 R"({"label": null, "score": -Infinity})"}) {
    put_bytes(folder / "a.tar", tar_member("1.png", png(1)) + tar_member("1.json", json) + tar_end());
    const Dataset set = open(folder / "a.tar");
    EXPECT_EQ(set.size(), 1) << json;
    EXPECT_FALSE(set.labels.defined()) << json;
    EXPECT_EQ(set.unlabelled, "") << json;
  }
}

TEST(TarSet, labels_as_text_are_numbers_or_names) {
  const ScratchFolder folder;
  const auto labelled = [&](std::vector<std::string> jsons) {
    std::string bytes;
    for (size_t i = 0; i < jsons.size(); ++i)
      bytes += tar_member(fmt::format("{}.png", i), png(1)) + tar_member(fmt::format("{}.json", i), jsons[i]);
    put_bytes(folder / "a.tar", bytes + tar_end());
    return open(folder / "a.tar");
  };
  EXPECT_EQ(
      values(labelled({R"({"label": "2"})", R"({"label": 0})", R"({"cls": " 1\n"})", R"({"label": 3.0})"}).labels),
      (Numbers{2, 0, 1, 3}));
  const Dataset named =
      labelled({R"({"label": "eel"})", R"({"label": "cat", "\\\"NaN": [NaN, Infinity]})", R"({"label": "eel"})"});
  EXPECT_EQ(values(named.labels), (Numbers{1, 0, 1}));
  EXPECT_EQ(named.class_names, (std::vector<std::string>{"cat", "eel"}));
}

TEST(TarSet, two_images_of_a_sample_are_refused_with_labels_and_without) {
  const ScratchFolder folder;
  const auto opened = [&](const std::string& bytes) {
    put_bytes(folder / "a.tar", bytes + tar_end());
    return thrown_by([&] { open(folder / "a.tar"); });
  };
  const auto image = [](const std::string& name) { return tar_member(name, png(1)); };
  const auto refused = [&](const std::string& bytes, const std::string& second) {
    const auto thrown = opened(bytes);
    EXPECT_EQ(thrown.code, Exit::data);
    EXPECT_TRUE(contains(thrown.message, second + "' is the second image of its sample")) << thrown.message;
    EXPECT_FALSE(contains(thrown.message, "data.channels"));
  };
  refused(image("1.png") + image("1.seg.png") + tar_member("1.cls", "1"), "1.seg.png");
  refused(image("1.left.png") + image("1.right.png") + image("2.left.png") + image("2.right.png"), "1.right.png");
  refused(image("1.jpg") + image("2.jpg") + image("1.seg.png") + image("2.seg.png"), "1.seg.png");  // in no order
  refused(image("1.png") + image("2.png") + image("2.jpg") + image("3.png"), "2.jpg");
  // Series with dots in their names are samples of their own.
  EXPECT_FALSE(opened(image("cat.1.png") + image("cat.2.png") + image("cat.3.png")).code);
  EXPECT_FALSE(opened(image("cat.1.png") + image("cat.2.png") + image("cat.3.png") + image("dog.1.png")).code);
  EXPECT_FALSE(opened(image("12.34.01.png") + image("12.34.07.png") + image("13.01.59.png")).code);
}

TEST(TarSet, what_is_left_out_is_counted) {
  const ScratchFolder folder;
  put_bytes(folder / "set/a.tar", tar_member("s/cat/", "", '5') + tar_member("s/cat/1.png", png(1)) +
                                      tar_member("s/dog/2.JPEG.webp", "x") + tar_member("s/dog/3.png", png(3)) +
                                      tar_member("s/cat/.ipynb_checkpoints/", "", '5') +
                                      tar_member("s/cat/.ipynb_checkpoints/1-checkpoint.png", png(9)) +
                                      tar_member("s/._3.png", "x") + tar_member("s/.git/deep/4.png", png(9)) +
                                      tar_member("s/README", "?") + tar_member("s/more", "", '2') + tar_end());
  put_bytes(folder / "set/preview.png", png(1));
  put_bytes(folder / "set/c.zip", "x");
  put_bytes(folder / "set/deeper/d.tar", "x");
  const Dataset set = open(folder / "set");
  EXPECT_EQ(shades(set), (Numbers{1, 3}));
  EXPECT_EQ(
      set.left_out.text(),
      "1 image of a format that is not read (1 webp), 1 archive (1 zip), 2 hidden images, 2 hidden folders, 1 link, "
      "1 image beside the archives, 1 folder beside the archives, 1 other file (1 without an ending)");
  EXPECT_TRUE(set.left_out.maybe_images());
}

TEST(TarSet, part_of_the_shards_is_no_set) {
  const ScratchFolder folder;
  put_bytes(folder / "s/a.tar", sample("1", 1, 1) + tar_end());
  for (const std::string name : {"b.tar.xz", "b.tar.zst", "b.TBZ2"}) {
    put_bytes(folder / "s" / name, "x");
    for (const auto& path : {folder / "s", folder / "s" / name}) {
      const auto thrown = thrown_by([&] { open(path); });
      EXPECT_EQ(thrown.code, Exit::data);
      EXPECT_TRUE(contains(thrown.message, name + "' is an archive of a compression")) << thrown.message;
    }
    std::filesystem::remove(folder / "s" / name);
  }
  std::filesystem::create_symlink("gone.tar", folder / "s/b.tar");
  const auto thrown = thrown_by([&] { open(folder / "s"); });
  EXPECT_EQ(thrown.code, Exit::missing);
  EXPECT_TRUE(contains(thrown.message, "b.tar' is a link to 'gone.tar'")) << thrown.message;
}

TEST(TarSet, hard_links_are_the_files_they_name) {
  const ScratchFolder folder;
  std::string link = tar_header("b.png", 0, '1');
  link.replace(157, 5, "a.png");
  uint64_t sum = 0;
  link.replace(148, 8, "        ");
  for (const char c : link) sum += static_cast<unsigned char>(c);
  link.replace(148, 7, fmt::format("{:06o}", sum) + '\0');
  put_bytes(folder / "a.tar", tar_member("a.png", png(7)) + link + tar_end());
  EXPECT_EQ(shades(open(folder / "a.tar")), (Numbers{7, 7}));
  put_bytes(folder / "b.tar", link + tar_end());
  const auto thrown = thrown_by([&] { open(folder / "b.tar"); });
  EXPECT_TRUE(contains(thrown.message, "--hard-dereference")) << thrown.message;
}

TEST(TarSet, damaged_archives_end_the_run_or_are_cut_short) {
  const ScratchFolder folder;
  std::string bytes = sample("1", 1, 0) + sample("2", 2, 1) + sample("3", 3, 2);
  bytes[sample("1", 1, 0).size() + 5] ^= 1;  // in the name of the second image
  put_bytes(folder / "s/a.tar", bytes + tar_end());
  put_bytes(folder / "s/b.tar", sample("4", 4, 0) + sample("5", 5, 1));  // no end
  put_bytes(folder / "s/c.tar", sample("6", 6, 0) + tar_member("7.png", png(7)) + tar_member("7.cls", "") + tar_end());
  const auto thrown = thrown_by([&] { open(folder / "s"); });
  EXPECT_EQ(thrown.code, Exit::data);
  EXPECT_TRUE(contains(thrown.message, "s/a.tar' is damaged or truncated at byte")) << thrown.message;
  config::DataConfig config = config_of(folder / "s");
  config.damaged = "skip";
  const Dataset set = open_dataset(config, Split::train, 1);
  EXPECT_EQ(shades(set), (Numbers{1, 4, 5, 6}));
  EXPECT_EQ(set.damaged, 3);
}

TEST(TarSet, digest_sees_names_sizes_order_and_how_images_are_decoded) {
  const ScratchFolder folder;
  const auto digest = [&](const std::string& bytes, int64_t size = 0) {
    put_bytes(folder / "a.tar", bytes + tar_end());
    config::DataConfig config = config_of(folder / "a.tar");
    config.image_size = size;
    return open_dataset(config, Split::train, 1).digest();
  };
  const uint64_t one = digest(sample("1", 1, 0) + sample("2", 2, 1));
  EXPECT_EQ(one, digest(sample("1", 1, 0) + sample("2", 2, 1)));
  EXPECT_NE(one, digest(sample("2", 2, 1) + sample("1", 1, 0)));
  EXPECT_NE(one, digest(sample("1", 1, 0) + sample("3", 2, 1)));
  EXPECT_NE(one, digest(sample("1", 1, 0) + sample("2", 2, 3)));
  EXPECT_NE(one, digest(sample("1", 1, 0) + sample("2", 2, 1), 4));
}

}  // namespace
}  // namespace ddls::data::tar_set_test
