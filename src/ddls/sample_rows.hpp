#pragma once
// Which rows of which final files a block has, and their checksums: what a block's file says of them, and how they are
// written, verified and sealed (tensor/npz_rows.hpp).
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "base/blocks.hpp"
#include "tensor/npz_rows.hpp"

namespace ddls::sampling {

struct BlockResult;  // ddls/sample_store.hpp

struct RowFile {
  std::string name;                              // "samples.npz", "snapshots/step-000010.npz"
  std::vector<tensor::NpzWriter::Entry> arrays;  // of all chains
  std::vector<uint32_t> crcs;                    // of this block's rows, one per array
};
using RowFiles = std::vector<RowFile>;

std::string to_text(const RowFiles& files);  // for a block file's metadata
// Throws Error(data) that names `where`.
RowFiles row_files_from(const std::string& text, const std::string& where);

// Writes the block's rows into the files of `folder`, of `count` chains in all, and waits for the disk.
RowFiles write_rows(const std::filesystem::path& folder, const Block& block, const BlockResult& result, int64_t count);
// Removes what stands in the place of these files and cannot be one of them: their rows are then missing, and made
// anew.
void remove_unfit_files(const std::filesystem::path& folder, const RowFiles& files);
// Whether the rows are there with these checksums.
bool rows_verify(const std::filesystem::path& folder, const Block& block, const RowFiles& files);
// `blocks`: of all blocks, in order. Returns the SHA-256 of every file by its name. Throws Error(data) where rows are
// not those of the checksums.
std::vector<std::pair<std::string, std::string>> seal_rows(const std::filesystem::path& folder, const BlockPlan& plan,
                                                           const std::vector<RowFiles>& blocks);

}  // namespace ddls::sampling
