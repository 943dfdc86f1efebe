// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// Play money for bursar's sandbox and tests: a dollar that moves by signed authorization (EIP-3009), by allowance
/// (ERC-20), and by an allowance that was signed (EIP-2612).
/// It answers to the signing domain of USDC on test networks ("USDC", version "2"). It keeps nothing in the code that
/// depends on where it was deployed, so its runtime code works at any address on any chain.
/// Anyone may mint. Never deploy it where it could be taken for money.
contract PlayDollar {
    uint8 public constant decimals = 6;

    bytes32 public constant TRANSFER_WITH_AUTHORIZATION_TYPEHASH = keccak256(
        "TransferWithAuthorization(address from,address to,uint256 value,uint256 validAfter,uint256 validBefore,bytes32 nonce)"
    );
    bytes32 public constant CANCEL_AUTHORIZATION_TYPEHASH =
        keccak256("CancelAuthorization(address authorizer,bytes32 nonce)");
    bytes32 public constant PERMIT_TYPEHASH =
        keccak256("Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)");

    uint256 public totalSupply;
    mapping(address => uint256) public balanceOf;
    mapping(address => mapping(address => uint256)) public allowance;
    /// The nonce of the owner's next permit.
    mapping(address => uint256) public nonces;
    mapping(address => mapping(bytes32 => bool)) private _taken;

    event Transfer(address indexed from, address indexed to, uint256 value);
    event Approval(address indexed owner, address indexed spender, uint256 value);
    event AuthorizationUsed(address indexed authorizer, bytes32 indexed nonce);
    event AuthorizationCanceled(address indexed authorizer, bytes32 indexed nonce);

    function name() public pure virtual returns (string memory) {
        return "USDC";
    }

    function symbol() public pure virtual returns (string memory) {
        return "USDC";
    }

    function version() public pure virtual returns (string memory) {
        return "2";
    }

    function mint(address to, uint256 value) external {
        totalSupply += value;
        balanceOf[to] += value;
        emit Transfer(address(0), to, value);
    }

    function transfer(address to, uint256 value) external returns (bool) {
        _move(msg.sender, to, value);
        return true;
    }

    function approve(address spender, uint256 value) external returns (bool) {
        _approve(msg.sender, spender, value);
        return true;
    }

    /// An allowance shrinks by what is taken, however large it is.
    function transferFrom(address from, address to, uint256 value) external returns (bool) {
        require(allowance[from][msg.sender] >= value, "PlayDollar: allowance is too low");
        allowance[from][msg.sender] -= value;
        _move(from, to, value);
        return true;
    }

    function permit(
        address owner, address spender, uint256 value, uint256 deadline, uint8 v, bytes32 r, bytes32 s
    ) external {
        require(block.timestamp <= deadline, "PlayDollar: permit has expired");
        bytes32 message = keccak256(abi.encode(PERMIT_TYPEHASH, owner, spender, value, nonces[owner]++, deadline));
        require(_signer(message, v, r, s) == owner, "PlayDollar: signature is not the owner's");
        _approve(owner, spender, value);
    }

    function transferWithAuthorization(
        address from, address to, uint256 value, uint256 validAfter, uint256 validBefore, bytes32 nonce,
        uint8 v, bytes32 r, bytes32 s
    ) public {
        require(block.timestamp > validAfter, "PlayDollar: authorization is not valid yet");
        require(block.timestamp < validBefore, "PlayDollar: authorization has expired");
        _take(from, nonce);
        bytes32 message = keccak256(
            abi.encode(TRANSFER_WITH_AUTHORIZATION_TYPEHASH, from, to, value, validAfter, validBefore, nonce)
        );
        require(_signer(message, v, r, s) == from, "PlayDollar: signature is not the payer's");
        emit AuthorizationUsed(from, nonce);
        _move(from, to, value);
    }

    function transferWithAuthorization(
        address from, address to, uint256 value, uint256 validAfter, uint256 validBefore, bytes32 nonce,
        bytes memory signature
    ) external {
        require(signature.length == 65, "PlayDollar: signature is not 65 bytes long");
        bytes32 r;
        bytes32 s;
        uint8 v;
        assembly {
            r := mload(add(signature, 32))
            s := mload(add(signature, 64))
            v := byte(0, mload(add(signature, 96)))
        }
        transferWithAuthorization(from, to, value, validAfter, validBefore, nonce, v, r, s);
    }

    function cancelAuthorization(address authorizer, bytes32 nonce, uint8 v, bytes32 r, bytes32 s) external {
        _take(authorizer, nonce);
        bytes32 message = keccak256(abi.encode(CANCEL_AUTHORIZATION_TYPEHASH, authorizer, nonce));
        require(_signer(message, v, r, s) == authorizer, "PlayDollar: signature is not the payer's");
        emit AuthorizationCanceled(authorizer, nonce);
    }

    /// True once the authorization was used or cancelled; it never becomes false again.
    function authorizationState(address authorizer, bytes32 nonce) public view virtual returns (bool) {
        return _taken[authorizer][nonce];
    }

    function DOMAIN_SEPARATOR() public view returns (bytes32) {
        return keccak256(
            abi.encode(
                keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"),
                keccak256(bytes(name())), keccak256(bytes(version())), block.chainid, address(this)
            )
        );
    }

    /// Takes a nonce for good.
    function _take(address authorizer, bytes32 nonce) internal virtual {
        require(!_taken[authorizer][nonce], "PlayDollar: authorization is used or cancelled");
        _taken[authorizer][nonce] = true;
    }

    /// The one address that can have signed `message`. Each signature has a mirror image with a high `s`: refused.
    function _signer(bytes32 message, uint8 v, bytes32 r, bytes32 s) private view returns (address signer) {
        bytes32 halfOrder = 0x7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0;
        require(uint256(s) <= uint256(halfOrder), "PlayDollar: signature has a high s");
        require(v == 27 || v == 28, "PlayDollar: signature has a strange v");
        signer = ecrecover(keccak256(abi.encodePacked(hex"1901", DOMAIN_SEPARATOR(), message)), v, r, s);
        require(signer != address(0), "PlayDollar: signature recovers to nobody");
    }

    function _approve(address owner, address spender, uint256 value) private {
        require(spender != address(0), "PlayDollar: spender is the zero address");
        allowance[owner][spender] = value;
        emit Approval(owner, spender, value);
    }

    function _move(address from, address to, uint256 value) private {
        require(to != address(0), "PlayDollar: payee is the zero address");
        require(balanceOf[from] >= value, "PlayDollar: balance is too low");
        balanceOf[from] -= value;
        balanceOf[to] += value;
        emit Transfer(from, to, value);
    }
}
