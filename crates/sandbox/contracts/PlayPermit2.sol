// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// What bursar's sandbox has in the place of Permit2: one signed transfer at a time, out of an allowance that its owner
/// gave this contract, to whom and as far as the signed terms let the spender choose.
/// Functions, hashes, events and errors are those of the contract whose address it takes; batches, standing allowances,
/// short signatures and owners that are contracts are not here. Nothing in the code depends on where it was deployed.
contract PlayPermit2 {
    struct TokenPermissions {
        address token;
        uint256 amount;
    }

    struct PermitTransferFrom {
        TokenPermissions permitted;
        uint256 nonce;
        uint256 deadline;
    }

    struct SignatureTransferDetails {
        address to;
        uint256 requestedAmount;
    }

    bytes32 private constant TOKEN_PERMISSIONS_TYPEHASH = keccak256("TokenPermissions(address token,uint256 amount)");
    /// The type of what is signed, up to where the spender's own words begin.
    string private constant TYPE_STUB =
        "PermitWitnessTransferFrom(TokenPermissions permitted,address spender,uint256 nonce,uint256 deadline,";

    error SignatureExpired(uint256 signatureDeadline);
    error InvalidAmount(uint256 maxAmount);
    error InvalidNonce();
    error InvalidSignatureLength();
    error InvalidSignature();
    error InvalidSigner();

    event UnorderedNonceInvalidation(address indexed owner, uint256 word, uint256 mask);

    /// Of each owner, 256 nonces a word; a bit is set once its nonce was used or invalidated.
    mapping(address => mapping(uint256 => uint256)) public nonceBitmap;

    /// Moves what the owner signed for. The caller is the spender that the owner must have named.
    function permitWitnessTransferFrom(
        PermitTransferFrom calldata permit,
        SignatureTransferDetails calldata transferDetails,
        address owner,
        bytes32 witness,
        string calldata witnessTypeString,
        bytes calldata signature
    ) external {
        if (block.timestamp > permit.deadline) revert SignatureExpired(permit.deadline);
        if (transferDetails.requestedAmount > permit.permitted.amount) revert InvalidAmount(permit.permitted.amount);
        _take(owner, permit.nonce);
        bytes32 message = _message(permit, witness, witnessTypeString);
        if (_signer(message, signature) != owner) revert InvalidSigner();
        _move(permit.permitted.token, owner, transferDetails);
    }

    /// Sets every bit of `mask` in one word of the caller's nonces.
    function invalidateUnorderedNonces(uint256 wordPos, uint256 mask) external {
        nonceBitmap[msg.sender][wordPos] |= mask;
        emit UnorderedNonceInvalidation(msg.sender, wordPos, mask);
    }

    function DOMAIN_SEPARATOR() public view returns (bytes32) {
        bytes32 domain = keccak256("EIP712Domain(string name,uint256 chainId,address verifyingContract)");
        return keccak256(abi.encode(domain, keccak256("Permit2"), block.chainid, address(this)));
    }

    function _take(address owner, uint256 nonce) private {
        uint256 bit = 1 << (nonce & 0xff);
        uint256 taken = nonceBitmap[owner][nonce >> 8];
        if (taken & bit != 0) revert InvalidNonce();
        nonceBitmap[owner][nonce >> 8] = taken | bit;
    }

    function _message(PermitTransferFrom calldata permit, bytes32 witness, string calldata witnessTypeString)
        private
        view
        returns (bytes32)
    {
        bytes32 typeHash = keccak256(abi.encodePacked(TYPE_STUB, witnessTypeString));
        bytes32 permitted = keccak256(abi.encode(TOKEN_PERMISSIONS_TYPEHASH, permit.permitted));
        return keccak256(abi.encode(typeHash, permitted, msg.sender, permit.nonce, permit.deadline, witness));
    }

    function _signer(bytes32 message, bytes calldata signature) private view returns (address signer) {
        if (signature.length != 65) revert InvalidSignatureLength();
        bytes32 digest = keccak256(abi.encodePacked(hex"1901", DOMAIN_SEPARATOR(), message));
        signer = ecrecover(digest, uint8(signature[64]), bytes32(signature[:32]), bytes32(signature[32:64]));
        if (signer == address(0)) revert InvalidSignature();
    }

    /// A token may answer true, or nothing as some old ones do.
    function _move(address token, address owner, SignatureTransferDetails calldata transferDetails) private {
        bytes memory call = abi.encodeWithSignature(
            "transferFrom(address,address,uint256)", owner, transferDetails.to, transferDetails.requestedAmount
        );
        (bool done, bytes memory answer) = token.call(call);
        require(
            done && (answer.length == 0 ? token.code.length != 0 : abi.decode(answer, (bool))), "TRANSFER_FROM_FAILED"
        );
    }
}
